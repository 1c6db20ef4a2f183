// The page's texts: a file for each language, of which English has every one.
import de from "./texts/de.json";
import en from "./texts/en.json";
import es from "./texts/es.json";
import id from "./texts/id.json";

export type TextKey = keyof typeof en;
const TEXTS: Record<string, Record<TextKey, string>> = { en, es, de, id };
export const LANGUAGES = Object.keys(TEXTS);
const CHOICE = "stt-language";

const liked = [localStorage.getItem(CHOICE), ...navigator.languages.map((tag) => tag.slice(0, 2))];
let spoken = liked.find((code) => code && TEXTS[code]) ?? "en";

export const language = () => spoken;

export function chooseLanguage(code: string): void {
  spoken = code;
  localStorage.setItem(CHOICE, code);
  document.documentElement.lang = code;
}

export function t(key: TextKey, slots: Record<string, string | number> = {}): string {
  return TEXTS[spoken]![key].replace(/\{(\w+)\}/g, (_, name: string) => String(slots[name] ?? ""));
}

document.documentElement.lang = spoken;
