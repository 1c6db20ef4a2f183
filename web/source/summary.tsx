// A summary while it is written; each of its statements leads to where it was said.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Point, type Style, summarize } from "./service";
import { explained } from "./queue";
import { t } from "./texts";
import { type Names, type Transcript, clock } from "./transcript";

const STYLES: readonly Style[] = ["brief", "detailed", "bullet_points", "action_items", "headline"];

interface Props {
  transcript: Transcript;
  names: Names;
  play: (time: number) => void;
}

export function Summary({ transcript, names, play }: Props) {
  const [style, setStyle] = useState<Style>("brief");
  const [growing, setGrowing] = useState<string | null>(null);
  const [points, setPoints] = useState<Point[] | null>(null);
  const [problem, setProblem] = useState("");
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const begin = async () => {
    stop.current = new AbortController();
    setProblem("");
    setPoints(null);
    setGrowing("");
    let text = "";
    const token = (part: string) => setGrowing((text += part));
    try {
      const done = await summarize(transcript, names, style, { stage: () => undefined, token }, stop.current.signal);
      setPoints(done.points);
    } catch (error) {
      if (!stop.current.signal.aborted) setProblem(explained(error));
    }
    setGrowing(null);
  };
  if (!transcript.text) return null;
  return (
    <section class="summary" aria-label={t("summary")}>
      <h3>{t("summary")}</h3>
      <div class="row">
        <select aria-label={t("style")} value={style} onChange={(event) => setStyle(event.currentTarget.value as Style)}>
          {STYLES.map((each) => (
            <option key={each} value={each}>
              {t(each)}
            </option>
          ))}
        </select>
        {growing === null ? (
          <button type="button" onClick={() => void begin()}>
            {t("summarize")}
          </button>
        ) : (
          <button type="button" onClick={() => stop.current?.abort()}>
            {t("stop")}
          </button>
        )}
      </div>
      {growing !== null && (
        <p class="growing" role="status">
          {growing || t("writing")}
        </p>
      )}
      {points && !points.length && <p>{t("no_tasks")}</p>}
      {points && points.length > 0 && (
        <ul>
          {points.map((point) => (
            <li key={point.text}>
              {point.text}{" "}
              {point.start !== undefined && (
                <button type="button" class="plain" aria-label={`${t("play")} ${clock(point.start)}`} title={point.quotes.join(" ")} onClick={() => play(point.start!)}>
                  {clock(point.start)}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}
