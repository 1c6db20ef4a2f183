// Every talk, newest first, with search over names and texts.
import { useState } from "preact/hooks";
import { allTalks, progressOf } from "./state";
import type { Talk } from "./storage";
import { language, t } from "./texts";
import { clock } from "./transcript";

const texts = new WeakMap<Talk, string>(); // what is searched: of long transcripts it takes a while to make

function textOf(talk: Talk): string {
  let text = texts.get(talk);
  if (text === undefined) {
    text = `${talk.name} ${talk.transcript?.text ?? ""} ${Object.values(talk.names).join(" ")}`.toLowerCase();
    texts.set(talk, text);
  }
  return text;
}

export function List({ chosen }: { chosen: string }) {
  const [wanted, search] = useState("");
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length ? allTalks().filter((talk) => words.every((word) => textOf(talk).includes(word))) : allTalks();
  if (!allTalks().length) return null;
  return (
    <section class="list" aria-label={t("list")}>
      <h2>{t("list")}</h2>
      <input type="search" aria-label={t("search")} placeholder={t("search")} value={wanted} onInput={(event) => search(event.currentTarget.value)} />
      {!found.length && <p class="quiet">{t("nothing_found")}</p>}
      <ul>
        {found.map((talk) => (
          <li key={talk.id}>
            <a href={`#${talk.id}`} aria-current={talk.id === chosen ? "page" : undefined}>
              <span class="name">{talk.name}</span>
              <span class="quiet">
                {new Date(talk.created).toLocaleDateString(language(), { day: "numeric", month: "short" })} · {stateOf(talk)}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function stateOf(talk: Talk): string {
  if (talk.status === "done") return clock(talk.transcript?.duration ?? 0);
  if (talk.status === "failed") return t("failed");
  const progress = progressOf(talk.id);
  if (!progress) return t("waiting");
  return `${t(progress.stage)}${progress.share ? ` ${Math.round(100 * progress.share)} %` : ""}`;
}
