// Trying again while the service is busy, restarts, or cannot be reached.
import type { Show } from "./recordings";
import { JobFailed, Refused, isThere } from "./service";

const TRIES = 40;
const SHORT = 60; // seconds that are waited for without telling
const SOON = 2; // seconds, where the service names no time
const LOST = new Set([0, 408]); // nobody answered, or the sound came too slowly: it is sent again under its id
const LOST_TRIES = 5; // of a service that answers otherwise
const BUSY = new Set([409, 429, 502, 503, 504]); // the service, or a proxy before it, will take it later

/** raises: what the last attempt raises; AbortError */
export async function patiently<T>(attempt: () => Promise<T>, show: Show, stop: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (raised) {
      const problem = raised instanceof TypeError ? new Refused(0, "") : raised; // of fetch: nobody answered
      const wait = problem instanceof Refused ? secondsUntilNext(problem, tries) : null;
      if (wait === null || stop.aborted) throw problem;
      show((problem as Refused).status === 0 ? "offline" : "waiting", 0);
      do await pause(wait * 1000, stop);
      while ((problem as Refused).status === 0 && !(await isThere()));
    }
  }
}

function secondsUntilNext(problem: Refused, tries: number): number | null {
  const { status, retryAfter } = problem;
  if (problem instanceof JobFailed || retryAfter > SHORT) return null;
  if (LOST.has(status)) return tries < LOST_TRIES ? SOON : null;
  if (!retryAfter && status < 500) return null;
  return BUSY.has(status) && tries < TRIES ? retryAfter || SOON : null;
}

/** raises: AbortError */
export function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = setTimeout(resolve, milliseconds);
    stop.addEventListener("abort", () => {
      clearTimeout(end);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
}
