// Which parts of a long transcript are drawn word by word: those near what is seen, and those that somebody works in.
import type { RefObject } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";

export const PART = 12; // segments that are drawn together
const MARGIN = "100% 0px"; // beside what is seen: a screen above and below
const FIRST: ReadonlySet<number> = new Set([0]);

export interface Window {
  drawn: ReadonlySet<number>; // numbers of parts
  reveal: (part: number) => void; // draws it, and brings it to where it is seen
}

export function useWindow(whole: RefObject<HTMLElement | null>, count: number): Window {
  const [drawn, draw] = useState(FIRST);
  useEffect(() => {
    const root = whole.current;
    if (!root) return;
    const near = new Set<number>();
    let frame = 0;
    const step = () => {
      frame = 0;
      draw((before) => {
        const after = nextWindow(before, near, (part) => isInUse(root.children[part]));
        if (after !== before) frame ||= requestAnimationFrame(step);
        return after;
      });
    };
    const watcher = new IntersectionObserver(
      (seen) => {
        for (const { target, isIntersecting } of seen) {
          if (isIntersecting) near.add(numberOf(target));
          else near.delete(numberOf(target));
        }
        frame ||= requestAnimationFrame(step);
      },
      { rootMargin: MARGIN },
    );
    for (const part of root.children) watcher.observe(part);
    return () => {
      watcher.disconnect();
      cancelAnimationFrame(frame);
    };
  }, [count]);
  const reveal = useCallback((part: number) => {
    draw((before) => new Set([...before, part]));
    whole.current?.children[part]?.scrollIntoView({ block: "center" });
  }, []);
  return { drawn, reveal };
}

/** One part more, from the middle outward, and one less: so little fits into one frame. */
function nextWindow(drawn: ReadonlySet<number>, near: ReadonlySet<number>, isInUse: (part: number) => boolean): ReadonlySet<number> {
  const middle = [...near].reduce((sum, part) => sum + part, 0) / Math.max(1, near.size);
  const [missing] = [...near].filter((part) => !drawn.has(part)).sort((one, other) => Math.abs(one - middle) - Math.abs(other - middle));
  const surplus = [...drawn].find((part) => !near.has(part) && !isInUse(part));
  if (missing === undefined && surplus === undefined) return drawn;
  return new Set([...drawn, ...(missing === undefined ? [] : [missing])].filter((part) => part !== surplus));
}

const numberOf = (part: Element) => Number((part as HTMLElement).dataset.part);

/** Whether the focus, or an end of a selection, is in it: both would be lost. */
function isInUse(part: Element | undefined): boolean {
  const selection = getSelection();
  const ends = selection?.isCollapsed === false ? [selection.anchorNode, selection.focusNode] : [];
  return [document.activeElement, ...ends].some((node) => node && part?.contains(node));
}
