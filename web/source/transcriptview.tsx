// The words, each of which plays from itself; the one that is spoken is marked.
import { memo } from "preact/compat";
import { useEffect, useRef, useState } from "preact/hooks";
import { useMark } from "./mark";
import type { Playing } from "./player";
import { colourOf } from "./speakers";
import { t } from "./texts";
import { type Names, type Segment, type Transcript, UNSURE, clock, named } from "./transcript";
import { PART, useWindow } from "./window";

const NEW = "\u0000new";
// About what the style sheet makes of a segment: a part that was never drawn is given so much room.
const LINE = 80; // characters
const LINE_HEIGHT = 25; // pixels
const BETWEEN = 5; // pixels from one segment to the next
const TURN = 11; // pixels more where another speaker begins

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
  const count = transcript.segments.length;
  const window = useWindow(whole, Math.ceil(count / PART));
  useMark(whole, transcript.segments, playing, window);
  if (!count) return <p>{t("no_words")}</p>;
  const play = (event: MouseEvent) => {
    const word = (event.target as HTMLElement).closest<HTMLElement>("[data-start]");
    if (word && getSelection()?.isCollapsed !== false) playing.playFrom(Number(word.dataset.start));
  };
  const parts = Array.from({ length: Math.ceil(count / PART) }, (_, part) => transcript.segments.slice(part * PART, (part + 1) * PART));
  return (
    <div ref={whole} class="transcript" lang={transcript.language} onClick={play}>
      {parts.map((segments, part) => (
        <Part key={part} part={part} segments={segments} isDrawn={window.drawn.has(part)} {...props} />
      ))}
    </div>
  );
}

type PartProps = Props & { part: number; segments: Segment[]; isDrawn: boolean };

/** Far from what is seen a part is its plain text, in one piece: it is found, copied and read aloud all the same. */
const Part = memo(
  function Part({ part, segments, isDrawn, ...props }: PartProps) {
    return (
      <div
        class="part"
        data-part={part}
        data-begin={segments[0]!.start}
        data-finish={segments.at(-1)!.end}
        style={{ containIntrinsicHeight: `auto ${heightOf(segments)}px` }}
      >
        {isDrawn ? (
          segments.map((segment, place) => (
            <SegmentView key={`${segment.start} ${segment.text}`} index={part * PART + place} segment={segment} {...props} />
          ))
        ) : (
          <p class="far">{segments.map(({ text }) => text).join("\n")}</p>
        )}
      </div>
    );
  },
  (before: PartProps, after: PartProps) =>
    before.isDrawn === after.isDrawn &&
    before.names === after.names &&
    before.transcript.speakers === after.transcript.speakers &&
    before.segments.length === after.segments.length &&
    before.segments.every((segment, place) => segment === after.segments[place]),
);

function heightOf(segments: readonly Segment[]): number {
  const heights = segments.map(({ text, speaker }, place) => {
    const turn = place > 0 && segments[place - 1]!.speaker !== speaker ? TURN : 0;
    return Math.ceil(text.length / LINE) * LINE_HEIGHT + BETWEEN + turn;
  });
  return heights.reduce((sum, height) => sum + height, 0);
}

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
            {segment.words.flatMap((word, place) => [
              place > 0 && spaced(segment.language) ? " " : "",
              <span data-start={word.start} data-end={word.end} class={word.confidence < UNSURE ? "unsure" : undefined}>
                {word.word}
              </span>,
            ])}
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
