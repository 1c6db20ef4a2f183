// How talks become transcripts. One is sent at a time; jobs, which the service has already, are followed side by side.
import { follow, forget, offersJobs, submit } from "./jobs";
import { patiently } from "./patience";
import { sendInPieces } from "./pieces";
import { type Recording, type Show, transcribe } from "./recordings";
import { Refused, key } from "./service";
import { allTalks, drop, findTalk, keep, load, showProgress, update } from "./state";
import { type Talk, readSound, removeTalk, writeSound, writeTalk } from "./storage";
import { language as pageLanguage, t } from "./texts";
import type { Transcript } from "./transcript";

const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds

const stops = new Map<string, AbortController>();
let sending = false;
let leaving = false; // the page is closed or loaded again: what ends with it has not failed

export async function begin(): Promise<void> {
  addEventListener("pagehide", () => (leaving = true));
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  await load();
  for (const talk of allTalks()) {
    if (talk.status === "working" && !stops.has(talk.id)) update(talk.id, { status: "waiting" });
    if (talk.status === "failed" && talk.until) remind(talk.id, talk.until);
  }
  void work();
}

interface Given {
  sound?: Blob;
  url?: string;
  name: string;
  language: string;
  transcript?: Transcript;
}

/** Keeps a recording, and sends it when its turn comes. raises: Error where the browser has no room for it */
export async function add({ sound, url, name, language, transcript }: Given): Promise<Talk> {
  const talk: Talk = {
    id: newIdentity(),
    name,
    created: Date.now(),
    language,
    status: transcript ? "done" : "waiting",
    names: {},
    ...(transcript ? { transcript } : {}),
    ...(url ? { url } : {}),
    ...(key.read() ? { keyed: true } : {}),
  };
  try {
    if (sound) await writeSound(talk.id, sound);
    await writeTalk(talk);
  } catch (problem) {
    throw new Error(t("storage", { problem: String(problem) }));
  }
  keep(talk);
  void work();
  return talk;
}

/** Sends it anew where it ended; goes on with it where it did not, as after a wrong key. */
export function again(talk: Talk): void {
  const { transcript: _, problem: __, refusal, until: ___, keyed: ____, upload: _____, job, attempts = 0, ...rest } = talk;
  const goesOn = job !== undefined && refusal === 401;
  const isNew = !goesOn && (job !== undefined || talk.transcript !== undefined);
  const keyed = key.read() !== "";
  keep({ ...rest, names: {}, status: "waiting", keyed, attempts: attempts + Number(isNew), ...(goesOn ? { job } : {}) });
  void work();
}

/** Another key was entered: what was refused for want of one goes on. */
export function resume(): void {
  for (const talk of allTalks()) if (talk.status === "failed" && talk.refusal === 401) again(talk);
}

export async function remove(talk: Talk): Promise<void> {
  stops.get(talk.id)?.abort();
  drop(talk.id);
  if (talk.job) void forget(talk.job).catch(() => undefined); // it is deleted there in time, too
  await removeTalk(talk.id);
}

function newIdentity(): string {
  return `page-${[...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Tries again when the service accepts it. */
function remind(id: string, until: number): void {
  const wait = Math.min(LONGEST_TIMER, Math.max(0, until - Date.now()));
  setTimeout(() => {
    const talk = findTalk(id);
    if (talk?.status === "failed" && talk.until === until) again(talk);
  }, wait);
}

async function work(): Promise<void> {
  followJobs();
  if (sending) return;
  sending = true;
  try {
    for (let next = waiting(); next; next = waiting()) {
      await send(next);
      followJobs();
    }
  } finally {
    sending = false;
  }
}

const waiting = () => allTalks().findLast((talk) => talk.status === "waiting" && !talk.job);

function followJobs(): void {
  for (const { id, status, job } of allTalks())
    if (status === "waiting" && job)
      void attempt(id, async (show, stop) => {
        const transcript = await patiently(() => follow(job, show, stop), show, stop);
        update(id, { status: "done", transcript });
      });
}

function send({ id, name, language, url, keyed, attempts, upload }: Talk): Promise<void> {
  return attempt(id, async (show, stop) => {
    if (keyed && !key.read()) throw new Refused(401, t("locked")); // it would be somebody else's, and counted otherwise
    const sound = await readSound(id);
    if (!sound && !url) throw new Refused(0, t("failed"));
    const request = attempts ? `${id}-${attempts}` : id;
    const recording: Recording = { name, language, ...(sound ? { sound } : {}), ...(url ? { url } : {}), ...(upload ? { upload } : {}) };
    if (await patiently(offersJobs, show, stop)) {
      if (sound && !recording.upload) {
        const sending = (share: number) => show("sending", share);
        recording.upload = await patiently(() => sendInPieces(request, sound, name, sending, stop), show, stop);
        update(id, { upload: recording.upload });
      }
      const job = await patiently(() => submit(request, recording, show, stop), show, stop);
      update(id, { status: "waiting", job });
    } else if (!sound) throw new Refused(401, t(key.read() ? "no_jobs" : "url_needs_key"));
    else {
      const transcript = await patiently(() => transcribe(request, recording, show, stop), show, stop);
      update(id, { status: "done", transcript });
    }
  });
}

async function attempt(id: string, act: (show: Show, stop: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  stops.set(id, stop);
  update(id, { status: "working" });
  try {
    await act((stage, share) => showProgress(id, { stage, share }), stop.signal);
  } catch (problem) {
    if (!stop.signal.aborted && !leaving) fail(id, problem);
  } finally {
    stops.delete(id);
    showProgress(id, null);
  }
}

function fail(id: string, problem: unknown): void {
  const { status = 0, retryAfter = 0 } = problem instanceof Refused ? problem : {};
  const isLocked = status === 401 && !key.read() && findTalk(id)?.job !== undefined;
  const until = retryAfter ? Date.now() + retryAfter * 1000 : 0;
  update(id, { status: "failed", problem: isLocked ? t("locked") : explained(problem), ...(status ? { refusal: status } : {}), ...(until ? { until } : {}) });
  if (until) remind(id, until);
}

/** A problem in words that help. */
export function explained(problem: unknown): string {
  if (!(problem instanceof Refused)) return problem instanceof Error ? problem.message : String(problem);
  const { status, message, retryAfter } = problem;
  if (status === 0) return message || t("nobody");
  if (status === 401 && key.read()) return `${t("wrong_key")} (${message})`;
  if (status === 410) return t("cancelled");
  if (status === 413 && !key.read()) return `${message} ${t("key_raises")}`;
  return retryAfter ? `${message} ${t("until", { when: whenAgain(retryAfter) })}` : message;
}

function whenAgain(seconds: number): string {
  const then = new Date(Date.now() + seconds * 1000);
  const isToday = then.toDateString() === new Date().toDateString();
  return then.toLocaleString(pageLanguage(), { timeStyle: "short", ...(isToday ? {} : { dateStyle: "medium" as const }) });
}
