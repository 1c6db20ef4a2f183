// The word that is spoken is marked, and kept in sight of whoever follows it.
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Playing } from "./player";
import { type Segment, placeAt } from "./transcript";
import { PART, type Window } from "./window";

const JUMP = 1; // seconds: more in one step is no playing

export function useMark(whole: RefObject<HTMLElement | null>, segments: readonly Segment[], playing: Playing, { drawn, reveal }: Window): void {
  const marked = useRef<Element | null>(null);
  const awaited = useRef(false); // it is not drawn yet, and to be brought to where it is seen
  const mark = (): Element | undefined => {
    const place = placeAt(segments, playing.now());
    const word = place ? whole.current?.querySelector(`[data-segment="${place.segment}"]`)?.children[place.word] : undefined;
    if (word === marked.current) return word;
    marked.current?.classList.remove("now");
    word?.classList.add("now");
    marked.current = word ?? null;
    return word;
  };
  useEffect(() => {
    if (playing.now() === 0) return;
    const word = mark();
    if (!word || !awaited.current) return;
    awaited.current = false;
    word.scrollIntoView({ block: "center" });
  }, [drawn, segments]);
  useEffect(() => {
    let last = playing.now();
    return playing.watch((time) => {
      const jumped = Math.abs(time - last) > JUMP;
      last = time;
      const before = marked.current;
      const word = mark();
      if (!jumped && (word === (before ?? undefined) || !isSeen(before))) return;
      if (word) word.scrollIntoView({ block: "nearest" });
      else bring(time);
    });
  }, [segments, reveal]);
  const bring = (time: number) => {
    const place = placeAt(segments, time);
    if (!place) return;
    awaited.current = true;
    reveal(Math.floor(place.segment / PART));
  };
}

/** Whoever has scrolled away reads something else. */
function isSeen(word: Element | null): boolean {
  if (!word?.isConnected) return false;
  const { top, bottom } = word.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
