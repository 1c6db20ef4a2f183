// Who speaks, by colour, for how long; a name that is changed here is changed everywhere.
import { t } from "./texts";
import { type Names, type Transcript, clock, named } from "./transcript";

interface Props {
  transcript: Transcript;
  names: Names;
  rename: (speaker: string, name: string) => void;
}

export function Speakers({ transcript, names, rename }: Props) {
  if (!transcript.speakers.length) return null;
  const seconds = new Map<string, number>();
  for (const { speaker, start, end } of transcript.segments) if (speaker) seconds.set(speaker, (seconds.get(speaker) ?? 0) + end - start);
  return (
    <section class="speakers" aria-label={t("speakers")}>
      <h3>{t("speakers")}</h3>
      <ul>
        {transcript.speakers.map((speaker, place) => (
          <li key={speaker} class={`speaker-${place % 8}`}>
            <span class="dot" />
            <input
              aria-label={t("name_of", { speaker })}
              value={named(names, speaker)}
              onChange={(event) => {
                const name = event.currentTarget.value.trim();
                if (name && name !== named(names, speaker)) rename(speaker, name);
                else event.currentTarget.value = named(names, speaker);
              }}
            />
            <span class="quiet">{clock(seconds.get(speaker) ?? 0)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function colourOf(transcript: Transcript, speaker: string | undefined): string {
  const place = transcript.speakers.indexOf(speaker ?? "");
  return place < 0 ? "" : `speaker-${place % 8}`;
}
