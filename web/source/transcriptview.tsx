// The words, each of which plays from itself; the one that is spoken is marked. Long transcripts are drawn in parts.
import { memo } from "preact/compat";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Playing } from "./player";
import { colourOf } from "./speakers";
import { t } from "./texts";
import { type Names, type Segment, type Transcript, UNSURE, clock, named, placeAt } from "./transcript";

const PART = 40; // segments that are drawn at a time
const NEW = "\u0000new";

interface Props {
  transcript: Transcript;
  names: Names;
  playing: Playing;
  correct: (index: number, text: string) => void;
  give: (index: number, speaker: string) => void;
}

export function TranscriptView(props: Props) {
  const { transcript, playing } = props;
  const whole = useRef<HTMLDivElement>(null);
  const [drawn, draw] = useState(PART);
  const count = transcript.segments.length;
  useEffect(() => {
    if (drawn >= count) return;
    const later = setTimeout(() => draw(drawn + PART), 8); // between two parts the page answers
    return () => clearTimeout(later);
  }, [drawn, count]);
  useEffect(() => mark(whole.current!, transcript, playing), [transcript]);
  if (!count) return <p>{t("no_words")}</p>;
  const play = (event: MouseEvent) => {
    const word = (event.target as HTMLElement).closest<HTMLElement>("[data-start]");
    if (word && getSelection()?.isCollapsed !== false) playing.playFrom(Number(word.dataset.start));
  };
  const parts = Array.from({ length: Math.ceil(Math.min(drawn, count) / PART) }, (_, part) => part * PART);
  return (
    <div ref={whole} class="transcript" lang={transcript.language} onClick={play}>
      {parts.map((first) => (
        <Part key={first} first={first} segments={transcript.segments.slice(first, first + PART)} {...props} />
      ))}
    </div>
  );
}

type PartProps = Props & { first: number; segments: Segment[] };

const Part = memo(
  function Part({ first, segments, ...props }: PartProps) {
    return (
      <div class="part">
        {segments.map((segment, place) => (
          <SegmentView key={`${segment.start} ${segment.text}`} index={first + place} segment={segment} {...props} />
        ))}
      </div>
    );
  },
  (before: PartProps, after: PartProps) =>
    before.names === after.names &&
    before.transcript.speakers === after.transcript.speakers &&
    before.segments.length === after.segments.length &&
    before.segments.every((segment, place) => segment === after.segments[place]),
);

function SegmentView({ index, segment, transcript, names, correct, give }: Props & { index: number; segment: Segment }) {
  const [editing, edit] = useState(false);
  const before = transcript.segments[index - 1];
  const fresh = !before || before.speaker !== segment.speaker;
  const gaps = transcript.coverage.gaps.filter((gap) => gap.start < segment.start && gap.start >= (before?.start ?? -1));
  return (
    <>
      {gaps.map((gap) => (
        <button key={gap.start} type="button" class="gap" data-start={gap.start} data-end={gap.end}>
          {t("gap", { start: clock(gap.start), end: clock(gap.end) })}
        </button>
      ))}
      <div class={`segment ${colourOf(transcript, segment.speaker)}${fresh ? " fresh" : ""}`}>
        <div class="side">
          {transcript.speakers.length > 0 && (
            <select
              class="who"
              aria-label={`${t("speaker_here")}, ${clock(segment.start)}`}
              value={segment.speaker ?? ""}
              onChange={(event) => give(index, event.currentTarget.value === NEW ? another(transcript) : event.currentTarget.value)}
            >
              {!segment.speaker && <option value="">{t("unknown")}</option>}
              {transcript.speakers.map((speaker) => (
                <option key={speaker} value={speaker}>
                  {named(names, speaker)}
                </option>
              ))}
              <option value={NEW}>{t("new_speaker")}</option>
            </select>
          )}
          <span class="quiet">{clock(segment.start)}</span>
        </div>
        {editing ? (
          <Editor
            text={segment.text}
            done={(text) => {
              edit(false);
              if (text !== null && text !== segment.text) correct(index, text);
            }}
          />
        ) : (
          <p data-segment={index} onDblClick={() => edit(true)}>
            {segment.words.map((word, place) => (
              <>
                <span data-start={word.start} data-end={word.end} class={word.confidence < UNSURE ? "unsure" : undefined}>
                  {word.word}
                </span>
                {place < segment.words.length - 1 && spaced(segment.language) ? " " : ""}
              </>
            ))}
          </p>
        )}
        <button type="button" class="plain edit" aria-label={`${t("edit")}, ${clock(segment.start)}`} title={t("edit")} onClick={() => edit(true)}>
          ✎
        </button>
      </div>
    </>
  );
}

const spaced = (language: string) => !["zh", "ja", "th", "lo", "my", "yue"].includes(language);

function another(transcript: Transcript): string {
  for (let number = 1; ; number++) if (!transcript.speakers.includes(`Speaker ${number}`)) return `Speaker ${number}`;
}

function Editor({ text, done }: { text: string; done: (text: string | null) => void }) {
  const area = useRef<HTMLTextAreaElement>(null);
  const over = useRef(false);
  useEffect(() => area.current?.focus(), []);
  const end = (value: string | null) => {
    if (over.current) return;
    over.current = true;
    done(value);
  };
  return (
    <textarea
      ref={area}
      aria-label={t("edit_hint")}
      title={t("edit_hint")}
      rows={Math.max(2, Math.ceil(text.length / 60))}
      defaultValue={text}
      onBlur={(event) => end(event.currentTarget.value.trim())}
      onKeyDown={(event) => {
        if (event.key === "Escape") end(null);
        else if (event.key === "Enter" && !event.shiftKey) end(event.currentTarget.value.trim());
        else return;
        event.preventDefault();
      }}
    />
  );
}

/** Marks the word that is spoken, without drawing anything else again. */
function mark(whole: HTMLElement | null, transcript: Transcript, playing: Playing): () => void {
  let marked: Element | null = null;
  return playing.watch((time) => {
    const place = placeAt(transcript.segments, time);
    const word = place && whole?.querySelector(`[data-segment="${place.segment}"]`)?.children[place.word];
    if (!word || word === marked) return;
    marked?.classList.remove("now");
    word.classList.add("now");
    marked = word;
    if (!playing.audio.paused) word.scrollIntoView({ block: "nearest" });
  });
}
