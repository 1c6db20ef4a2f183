// What the page knows: the talks, newest first, and what goes on with them. One is transcribed at a time.
import { useEffect, useState } from "preact/hooks";
import { Refused, type Stage, key, transcribe } from "./service";
import { type Talk, readSound, readTalks, removeTalk, writeSound, writeTalk } from "./storage";
import { t } from "./texts";
import type { Transcript } from "./transcript";

export interface Progress {
  stage: Stage;
  share: number;
}

const BUSY = new Set([429, 503, 409]); // the service says when to try again
const LOST = new Set([0, 408]); // nobody answered, or the sound came too slowly: it is sent again under its id
const LOST_SECONDS = 2;
const LOST_TRIES = 5;
const TRIES = 40;
const LONGEST_WAIT = 60; // seconds

let talks: readonly Talk[] = [];
const progress = new Map<string, Progress>();
const stops = new Map<string, AbortController>();
const listeners = new Set<() => void>();
let working = false;
let leaving = false; // the page is closed or loaded again: what ends with it has not failed

export const allTalks = () => talks;
export const progressOf = (id: string) => progress.get(id);

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

export async function begin(): Promise<void> {
  addEventListener("pagehide", () => (leaving = true));
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  const kept = await readTalks();
  const brought = new Set(talks.map(({ id }) => id)); // while those of before were read
  const before = kept.filter(({ id }) => !brought.has(id));
  talks = [...talks, ...before];
  for (const talk of before) if (talk.status === "working" || talk.status === "sending") keep({ ...talk, status: "waiting" });
  tell();
  void work();
}

/** Keeps a change, on the page at once and in the browser soon after. */
export function keep(talk: Talk): void {
  const known = talks.some((other) => other.id === talk.id);
  talks = known ? talks.map((other) => (other.id === talk.id ? talk : other)) : [talk, ...talks];
  void writeTalk(talk).catch((problem: unknown) => console.error(problem));
  tell();
}

export const update = (id: string, change: Partial<Talk>): void => {
  const talk = talks.find((other) => other.id === id);
  if (talk) keep({ ...talk, ...change });
};

/** Keeps a recording, and sends it when its turn comes. raises: Error where the browser has no room for it */
export async function add(sound: Blob, name: string, language: string, transcript?: Transcript): Promise<Talk> {
  const talk: Talk = {
    id: newIdentity(),
    name,
    created: Date.now(),
    language,
    status: transcript ? "done" : "waiting",
    names: {},
    ...(transcript ? { transcript } : {}),
  };
  try {
    await writeSound(talk.id, sound);
    await writeTalk(talk);
  } catch (problem) {
    throw new Error(t("storage", { problem: String(problem) }));
  }
  keep(talk);
  void work();
  return talk;
}

export function again(talk: Talk): void {
  const { transcript: _, problem: __, ...rest } = talk;
  const fresh: Talk = { ...rest, names: {}, status: "waiting" };
  talks = talks.map((other) => (other.id === talk.id ? fresh : other));
  keep(fresh);
  void work();
}

export async function remove(talk: Talk): Promise<void> {
  stops.get(talk.id)?.abort();
  talks = talks.filter((other) => other.id !== talk.id);
  tell();
  await removeTalk(talk.id);
}

function newIdentity(): string {
  return `page-${[...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function work(): Promise<void> {
  if (working) return;
  working = true;
  try {
    for (let next = waiting(); next; next = waiting()) await one(next);
  } finally {
    working = false;
  }
}

const waiting = () => talks.findLast((talk) => talk.status === "waiting");

async function one(talk: Talk): Promise<void> {
  const stop = new AbortController();
  stops.set(talk.id, stop);
  update(talk.id, { status: "working" });
  try {
    const sound = await readSound(talk.id);
    if (!sound) throw new Refused(0, t("failed"));
    const transcript = await patiently(talk, sound, stop.signal);
    update(talk.id, { status: "done", transcript });
  } catch (problem) {
    if (!stop.signal.aborted && !leaving) update(talk.id, { status: "failed", problem: explained(problem) });
  } finally {
    stops.delete(talk.id);
    progress.delete(talk.id);
    tell();
  }
}

/** Tries again while the service is busy, at the times that it names, and where the connection was lost. */
async function patiently(talk: Talk, sound: Blob, stop: AbortSignal): Promise<Transcript> {
  const show = (stage: Stage, share: number) => {
    progress.set(talk.id, { stage, share });
    tell();
  };
  for (let tries = 1; ; tries++) {
    try {
      return await transcribe(talk.id, sound, talk.name, talk.language, show, stop);
    } catch (problem) {
      const pause = secondsUntilNext(problem, tries);
      if (!pause || stop.aborted || leaving) throw problem;
      show("waiting", 0);
      await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    }
  }
}

/** 0: it is not tried again. */
function secondsUntilNext(problem: unknown, tries: number): number {
  if (!(problem instanceof Refused)) return 0;
  if (LOST.has(problem.status)) return tries < LOST_TRIES ? LOST_SECONDS : 0;
  return BUSY.has(problem.status) && problem.retryAfter <= LONGEST_WAIT && tries < TRIES ? problem.retryAfter : 0;
}

/** A problem in words that help. */
export function explained(problem: unknown): string {
  if (!(problem instanceof Refused)) return problem instanceof Error ? problem.message : String(problem);
  if (problem.status === 401 && key.read()) return `${t("wrong_key")} (${problem.message})`;
  if (problem.status === 0) return problem.message || t("nobody");
  return problem.retryAfter ? `${problem.message} ${t("retry_after", { seconds: problem.retryAfter })}` : problem.message;
}
