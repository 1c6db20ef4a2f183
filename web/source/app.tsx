// The whole page: header, the list of talks, and the one that is looked at.
import { useEffect, useState } from "preact/hooks";
import { AccountDialog } from "./account";
import { Intake } from "./intake";
import { List } from "./list";
import { begin } from "./queue";
import { BASE } from "./service";
import { allTalks, useChanges } from "./state";
import { LANGUAGES, chooseLanguage, language, t } from "./texts";
import { TalkView } from "./talk";

const THEME = "stt-theme";
const THEMES = ["auto", "dark", "light"];

function showTheme(theme: string): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
showTheme(localStorage.getItem(THEME) ?? "auto");

const chosenTalk = () => decodeURIComponent(location.hash.slice(1));

export function App() {
  useChanges();
  const [chosen, choose] = useState(chosenTalk());
  const [problem, setProblem] = useState("");
  const [asking, ask] = useState(false);
  const [, draw] = useState({});
  useEffect(() => {
    void begin().catch((error: unknown) => setProblem(t("storage", { problem: String(error) })));
    const follow = () => choose(chosenTalk());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    document.title = t("title");
  }, [language()]);

  const talk = allTalks().find((one) => one.id === chosen);
  const turnTheme = () => {
    const next = THEMES[(THEMES.indexOf(localStorage.getItem(THEME) ?? "auto") + 1) % THEMES.length]!;
    localStorage.setItem(THEME, next);
    showTheme(next);
  };
  return (
    <div class={talk ? "page looking" : "page"}>
      <header>
        <h1>
          <a href="#">{t("title")}</a>
        </h1>
        <nav aria-label={t("page_language")}>
          <a class="quiet" href={`${BASE}/docs`}>
            {t("docs")}
          </a>
          <select
            aria-label={t("page_language")}
            value={language()}
            onChange={(event) => {
              chooseLanguage(event.currentTarget.value);
              draw({});
            }}
          >
            {LANGUAGES.map((code) => (
              <option key={code} value={code} lang={code}>
                {new Intl.DisplayNames([code], { type: "language" }).of(code)}
              </option>
            ))}
          </select>
          <button type="button" class="icon" aria-label={t("theme")} title={t("theme")} onClick={turnTheme}>
            ◐
          </button>
          <button type="button" onClick={() => ask(true)}>
            {t("key")}
          </button>
        </nav>
      </header>
      {problem && (
        <p class="problem" role="alert">
          {problem}{" "}
          <button type="button" class="plain" onClick={() => setProblem("")}>
            {t("close")}
          </button>
        </p>
      )}
      <div class="columns">
        <aside>
          <Intake tell={setProblem} />
          <List chosen={chosen} />
        </aside>
        <main>{talk ? <TalkView key={talk.id} talk={talk} tell={setProblem} askKey={() => ask(true)} /> : <Welcome />}</main>
      </div>
      {asking && <AccountDialog close={() => ask(false)} />}
    </div>
  );
}

function Welcome() {
  return (
    <section class="welcome">
      <h2>{t("first")}</h2>
      <p>{t("first_hint")}</p>
    </section>
  );
}
