// How recordings come in: dropped, chosen, or spoken into the microphone.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Heard, type LiveSession, listen } from "./live";
import { add, explained } from "./queue";
import { readLanguages } from "./service";
import { language as pageLanguage, t } from "./texts";

const CHOICE = "stt-spoken";
const SPEAKERS = "stt-live-speakers";

export function Intake({ tell }: { tell: (problem: string) => void }) {
  const [languages, setLanguages] = useState<{ code: string; name: string }[]>([]);
  const [spoken, setSpoken] = useState(localStorage.getItem(CHOICE) ?? "auto");
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  useEffect(() => void readLanguages().then(setLanguages, () => undefined), []);

  const take = async (given: readonly { sound?: Blob; url?: string; name: string }[]) => {
    for (const each of given) {
      try {
        const talk = await add({ ...each, language: spoken });
        if (given.length === 1) location.hash = talk.id;
      } catch (problem) {
        tell(explained(problem));
      }
    }
  };
  const takeFiles = (list: FileList | null | undefined) => take([...(list ?? [])].map((sound) => ({ sound, name: sound.name })));
  const takeAddresses = (text: string): boolean => {
    const found = addresses(text);
    void take(found.map((url) => ({ url, name: nameIn(url) })));
    return found.length > 0;
  };
  useEffect(() => {
    const drag = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.type === "dragover");
      if (event.type === "drop") void takeFiles(event.dataTransfer.files);
    };
    const paste = (event: ClipboardEvent) => {
      if ((event.target as HTMLElement).closest("input, textarea")) return;
      if (event.clipboardData?.files.length) void takeFiles(event.clipboardData.files);
      else takeAddresses(event.clipboardData?.getData("text") ?? "");
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    addEventListener("dragover", drag);
    addEventListener("drop", drag);
    addEventListener("dragleave", leave);
    addEventListener("paste", paste);
    return () => {
      removeEventListener("dragover", drag);
      removeEventListener("drop", drag);
      removeEventListener("dragleave", leave);
      removeEventListener("paste", paste);
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
          void takeFiles(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
      <Addresses take={takeAddresses} tell={tell} />
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

/** Addresses of recordings, as many as there are. */
function Addresses({ take, tell }: { take: (text: string) => boolean; tell: (problem: string) => void }) {
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        const form = event.currentTarget;
        if (take(String(new FormData(form).get("addresses") ?? ""))) form.reset();
        else tell(t("no_address"));
      }}
    >
      <textarea name="addresses" rows={1} aria-label={t("address")} placeholder={t("address")} required spellcheck={false} />
      <button>{t("fetch")}</button>
    </form>
  );
}

/** Those that a text consists of; none where there is anything else in it. */
function addresses(text: string): string[] {
  const parts = text.split(/\s+/).filter(Boolean);
  return parts.every((part) => /^https?:\/\/[^/]/i.test(part) && URL.canParse(part)) ? parts : [];
}

const nameIn = (url: string) => {
  const { host, pathname } = new URL(url);
  const last = pathname.split("/").at(-1);
  try {
    return last ? decodeURIComponent(last) : host;
  } catch {
    return last || host;
  }
};

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
  const [speakers, setSpeakers] = useState(localStorage.getItem(SPEAKERS) === "yes");
  const begin = async () => {
    start(true);
    try {
      session.current = await listen(spoken, speakers, setHeard);
      setHeard({ lines: [], partial: "" });
      const take = await session.current.taken;
      const when = new Date().toLocaleString(pageLanguage(), { dateStyle: "medium", timeStyle: "short" });
      const talk = await add({ ...take, name: t("recording_name", { when }), language: spoken });
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
      <>
        <button type="button" disabled={starting} onClick={() => void begin()}>
          ● {t("record")}
        </button>
        <label class="quiet">
          <input
            type="checkbox"
            checked={speakers}
            onChange={(event) => {
              setSpeakers(event.currentTarget.checked);
              localStorage.setItem(SPEAKERS, event.currentTarget.checked ? "yes" : "no");
            }}
          />{" "}
          {t("live_speakers")}
        </label>
      </>
    );
  return (
    <>
      <button type="button" class="recording" onClick={() => session.current?.stop()}>
        ■ {t("stop")}
      </button>
      <div class="heard">
        <div role="log">
          {heard.lines.map(({ speaker, text }, place) => (
            <p key={place}>
              {speaker && <b>{speaker}: </b>}
              {text}
            </p>
          ))}
          {!heard.lines.length && !heard.partial && t("listening")}
        </div>
        <span class="partial" aria-hidden="true">
          {heard.partial}
        </span>
      </div>
    </>
  );
}
