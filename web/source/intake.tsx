// How recordings come in: dropped, chosen, or spoken into the microphone.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Heard, type LiveSession, listen } from "./live";
import { readLanguages } from "./service";
import { add, explained } from "./state";
import { language as pageLanguage, t } from "./texts";

const CHOICE = "stt-spoken";

export function Intake({ tell }: { tell: (problem: string) => void }) {
  const [languages, setLanguages] = useState<{ code: string; name: string }[]>([]);
  const [spoken, setSpoken] = useState(localStorage.getItem(CHOICE) ?? "auto");
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  useEffect(() => void readLanguages().then(setLanguages, () => undefined), []);

  const take = async (list: FileList | null | undefined) => {
    const taken = [...(list ?? [])]; // the list is emptied with its input
    for (const file of taken) {
      try {
        const talk = await add(file, file.name, spoken);
        if (taken.length === 1) location.hash = talk.id;
      } catch (problem) {
        tell(explained(problem));
      }
    }
  };
  useEffect(() => {
    const drag = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.type === "dragover");
      if (event.type === "drop") void take(event.dataTransfer.files);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    addEventListener("dragover", drag);
    addEventListener("drop", drag);
    addEventListener("dragleave", leave);
    return () => {
      removeEventListener("dragover", drag);
      removeEventListener("drop", drag);
      removeEventListener("dragleave", leave);
    };
  }, [spoken]);

  return (
    <section class={over ? "intake over" : "intake"} aria-label={t("choose")}>
      <p>{t("drop")}</p>
      <div class="row">
        <button type="button" class="main" onClick={() => files.current?.click()}>
          {t("choose")}
        </button>
        <Recorder spoken={spoken} tell={tell} />
      </div>
      <input
        ref={files}
        type="file"
        accept="audio/*,video/*"
        multiple
        hidden
        aria-label={t("choose")}
        onChange={(event) => {
          void take(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
      <label class="quiet">
        {t("spoken")}{" "}
        <select
          value={spoken}
          onChange={(event) => {
            setSpoken(event.currentTarget.value);
            localStorage.setItem(CHOICE, event.currentTarget.value);
          }}
        >
          <option value="auto">{t("detect")}</option>
          {languages.map(({ code, name }) => (
            <option key={code} value={code}>
              {nameOf(code, name)}
            </option>
          ))}
        </select>
      </label>
    </section>
  );
}

function nameOf(code: string, name: string): string {
  try {
    return new Intl.DisplayNames([pageLanguage()], { type: "language", fallback: "none" }).of(code) ?? name;
  } catch {
    return name;
  }
}

function Recorder({ spoken, tell }: { spoken: string; tell: (problem: string) => void }) {
  const session = useRef<LiveSession | null>(null);
  const [heard, setHeard] = useState<Heard | null>(null);
  const [starting, start] = useState(false);
  const begin = async () => {
    start(true);
    try {
      session.current = await listen(spoken, setHeard);
      setHeard({ settled: "", partial: "" });
      const take = await session.current.taken;
      const when = new Date().toLocaleString(pageLanguage(), { dateStyle: "medium", timeStyle: "short" });
      const talk = await add(take.sound, t("recording_name", { when }), spoken, take.transcript);
      location.hash = talk.id;
    } catch (problem) {
      tell(problem instanceof DOMException || problem instanceof TypeError ? t("no_microphone") : explained(problem));
    }
    session.current = null;
    setHeard(null);
    start(false);
  };
  if (!heard || !session.current)
    return (
      <button type="button" disabled={starting} onClick={() => void begin()}>
        ● {t("record")}
      </button>
    );
  return (
    <>
      <button type="button" class="recording" onClick={() => session.current?.stop()}>
        ■ {t("stop")}
      </button>
      <div class="heard">
        <span role="log">{heard.settled || (heard.partial ? "" : t("listening"))}</span>{" "}
        <span class="partial" aria-hidden="true">
          {heard.partial}
        </span>
      </div>
    </>
  );
}
