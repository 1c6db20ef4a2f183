// What the page knows: the talks, newest first, and how far each of them is.
import { useEffect, useState } from "preact/hooks";
import type { Stage } from "./service";
import { type Talk, readTalks, writeTalk } from "./storage";

export interface Progress {
  stage: Stage;
  share: number;
}

let talks: readonly Talk[] = [];
const unwritten = new Set<string>(); // ids
const progress = new Map<string, Progress>();
const listeners = new Set<() => void>();

export const allTalks = () => talks;
export const findTalk = (id: string) => talks.find((talk) => talk.id === id);
export const progressOf = (id: string) => progress.get(id);

export function showProgress(id: string, now: Progress | null): void {
  if (now) progress.set(id, now);
  else progress.delete(id);
  tell();
}

export function tell(): void {
  for (const listener of listeners) listener();
}

/** Draws a component again whenever something changes. */
export function useChanges(): void {
  const [, draw] = useState({});
  useEffect(() => {
    const listener = () => draw({});
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
}

/** Reads what was kept before; what came in meanwhile stays. */
export async function load(): Promise<void> {
  const kept = await readTalks();
  talks = [...talks, ...kept.filter((talk) => !findTalk(talk.id))];
  tell();
}

/** Keeps a change, on the page at once and in the browser soon after. */
export function keep(talk: Talk): void {
  talks = findTalk(talk.id) ? talks.map((other) => (other.id === talk.id ? talk : other)) : [talk, ...talks];
  if (!unwritten.size) setTimeout(write); // to copy a long transcript is a task of its own
  unwritten.add(talk.id);
  tell();
}

function write(): void {
  for (const id of unwritten) {
    const talk = findTalk(id);
    if (talk) void writeTalk(talk).catch((problem: unknown) => console.error(problem));
  }
  unwritten.clear();
}

export function update(id: string, change: Partial<Talk>): void {
  const talk = findTalk(id);
  if (talk) keep({ ...talk, ...change });
}

export function drop(id: string): void {
  talks = talks.filter((talk) => talk.id !== id);
  tell();
}
