// One talk: its progress while it is transcribed, then transcript, player, speakers, summary and exports.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { FORMATS, exported, save } from "./exports";
import { stateOf } from "./list";
import { Player, type Playing, usePlaying } from "./player";
import { again, remove } from "./queue";
import { cut } from "./sound";
import { Speakers } from "./speakers";
import { progressOf, update } from "./state";
import { type Talk, readSound } from "./storage";
import { Summary } from "./summary";
import { language, t } from "./texts";
import { TranscriptView } from "./transcriptview";
import { type Transcript, clock, withSpeaker, withText } from "./transcript";

interface Props {
  talk: Talk;
  tell: (problem: string) => void;
}

const FOR_A_KEY = [401, 402, 403, 413, 429]; // refusals that another key may change

export function TalkView({ talk, tell, askKey }: Props & { askKey: () => void }) {
  const [sound, setSound] = useState<Blob | null>(null);
  useEffect(() => void readSound(talk.id).then((kept) => setSound(kept ?? null)), [talk.id]);
  const leave = () => {
    if (!confirm(t("remove_ask", { name: talk.name }))) return;
    location.hash = "";
    void remove(talk);
  };
  return (
    <article>
      <div class="row head">
        <a class="back" href="#">
          ← {t("back")}
        </a>
        <h2>{talk.name}</h2>
        <button type="button" class="plain" onClick={leave}>
          {t("remove")}
        </button>
      </div>
      {talk.status === "done" && talk.transcript ? (
        <Whole talk={talk} transcript={talk.transcript} sound={sound} tell={tell} />
      ) : (
        <Unfinished talk={talk} askKey={askKey} />
      )}
    </article>
  );
}

function Unfinished({ talk, askKey }: { talk: Talk; askKey: () => void }) {
  if (talk.status === "failed")
    return (
      <div>
        <p class="problem" role="alert">
          {talk.problem}
        </p>
        <div class="row">
          <button type="button" class="main" onClick={() => again(talk)}>
            {t("again")}
          </button>
          {FOR_A_KEY.includes(talk.refusal ?? 0) && (
            <button type="button" onClick={askKey}>
              {t("enter_key")}
            </button>
          )}
        </div>
      </div>
    );
  const share = progressOf(talk.id)?.share;
  return (
    <div class="working">
      <p role="status">{stateOf(talk)}</p>
      <progress aria-label={stateOf(talk)} max={1} {...(share ? { value: share } : {})} />
      {talk.job && <p class="quiet">{t("handed_over")}</p>}
    </div>
  );
}

function Whole({ talk, transcript, sound, tell }: Props & { transcript: Transcript; sound: Blob | null }) {
  const playing = usePlaying(sound);
  const past = useRef<Talk[]>([]);
  const change = (changed: Partial<Talk>) => {
    past.current.push(talk);
    update(talk.id, changed);
  };
  const undo = () => {
    const before = past.current.pop();
    if (before) update(talk.id, { transcript: before.transcript!, names: before.names });
  };
  useKeys(playing, transcript, undo);
  const languageName = useMemo(() => new Intl.DisplayNames([language()], { type: "language" }).of(transcript.language), [transcript.language, language()]);
  return (
    <>
      <Player playing={playing} sound={sound} transcript={transcript} />
      {talk.url && <p class="quiet">{t("elsewhere")}</p>}
      <div class="row tools">
        <Exports talk={talk} transcript={transcript} sound={sound} tell={tell} />
        <button type="button" onClick={undo} disabled={!past.current.length}>
          {t("undo")}
        </button>
        {!transcript.speakers.length && sound && (
          <button type="button" onClick={() => again(talk)}>
            {t("with_speakers")}
          </button>
        )}
      </div>
      {transcript.warnings.map((warning) => (
        <p key={warning} class="warning">
          {warning}
        </p>
      ))}
      <Speakers transcript={transcript} names={talk.names} rename={(speaker, name) => change({ names: { ...talk.names, [speaker]: name } })} />
      <Summary transcript={transcript} names={talk.names} play={playing.playFrom} />
      <TranscriptView
        transcript={transcript}
        names={talk.names}
        playing={playing}
        correct={(index, text) => change({ transcript: withText(transcript, index, text) })}
        give={(index, speaker) => change({ transcript: withSpeaker(transcript, index, speaker) })}
      />
      <p class="quiet">
        {t("model", { model: transcript.model, language: languageName ?? transcript.language, duration: clock(transcript.duration) })} {t("unsure")} {t("keys")}
      </p>
    </>
  );
}

function Exports({ talk, transcript, sound, tell }: Props & { transcript: Transcript; sound: Blob | null }) {
  const stem = talk.name.replace(/\.[^.]{1,4}$/, "");
  const clip = async () => {
    const [start, end] = selected() ?? [0, 0];
    if (!end) return tell(t("selection_none"));
    const part = sound && (await cut(sound, start, end));
    if (part) save(part, `${stem} ${clock(start).replaceAll(":", ".")}.wav`);
    else tell(t("unplayable"));
  };
  return (
    <div class="row" role="group" aria-label={t("export")}>
      <span class="quiet">{t("export")}</span>
      {FORMATS.map((format) => (
        <button key={format} type="button" onClick={() => save(exported(format, transcript, talk.names), `${stem}.${format}`)}>
          {format}
        </button>
      ))}
      <button type="button" onClick={() => void clip()}>
        {t("selection")}
      </button>
    </div>
  );
}

/** Start and end, in seconds, of the words that are selected. */
function selected(): [number, number] | null {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  const parts = [...document.querySelectorAll<HTMLElement>("[data-start], .part:has(> .far)")].filter((part) => range.intersectsNode(part));
  const [first, last] = [parts[0]?.dataset, parts.at(-1)?.dataset];
  return first && last ? [Number(first.start ?? first.begin), Number(last.end ?? last.finish)] : null;
}

function useKeys(playing: Playing, transcript: Transcript, undo: () => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, button, a, dialog")) return;
      if ((event.ctrlKey || event.metaKey) && event.key === "z") undo();
      else if (event.ctrlKey || event.metaKey || event.altKey) return;
      else if (event.key === " ") playing.toggle();
      else if (event.key === "ArrowLeft") playing.jump(-5);
      else if (event.key === "ArrowRight") playing.jump(5);
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        const now = playing.now();
        const starts = transcript.segments.map((segment) => segment.start);
        const to = event.key === "ArrowUp" ? starts.findLast((start) => start < now - 0.5) : starts.find((start) => start > now + 0.05);
        if (to === undefined) return;
        playing.seek(to);
      } else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}
