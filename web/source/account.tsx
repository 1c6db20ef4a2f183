// The key, and what is left to its owner.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Usage, key, readUsage } from "./service";
import { explained, resume } from "./queue";
import { type TextKey, language, t } from "./texts";

const NO_LIMIT = 1_000_000_000; // transcriptions a day, of the tier that has none

export function AccountDialog({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [usage, setUsage] = useState<Usage | null>(null);
  const [problem, setProblem] = useState("");
  const look = () => {
    setProblem("");
    setUsage(null);
    readUsage().then(setUsage, (error: unknown) => setProblem(explained(error)));
  };
  useEffect(() => {
    dialog.current?.showModal();
    look();
  }, []);
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="key-title">
      <h2 id="key-title">{t("key")}</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          key.write(String(new FormData(event.currentTarget).get("key") ?? "").trim());
          look();
          resume();
        }}
      >
        <label>
          {t("key_label")}
          <input name="key" type="password" autocomplete="off" spellcheck={false} defaultValue={key.read()} />
        </label>
        <p class="quiet">{t("key_hint")}</p>
        {usage && <p role="status">{told(usage)}</p>}
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <div class="row">
          <button class="main">{t("save")}</button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {t("close")}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function told({ tier, largest_file_bytes, transcription, summaries }: Usage): string {
  const largest = t("largest", { size: shown(Math.floor(largest_file_bytes / 1024 ** 2)) });
  if ((transcription.limit ?? 0) >= NO_LIMIT) return `${t("usage_open", { tier })} ${largest}`;
  const left = t("usage", {
    tier,
    left: shown(transcription.remaining),
    unit: t(transcription.unit as TextKey),
    summaries: shown(summaries.remaining),
    summary_unit: t(summaries.unit as TextKey),
  });
  return `${left} ${largest}`;
}

const shown = (value: number) => value.toLocaleString(language());
