// The service, by its public API alone.
import createClient from "openapi-fetch";
import type { components, paths } from "./api";
import type { Transcript } from "./transcript";

export type Usage = components["schemas"]["UsageReport"];
export type Point = components["schemas"]["SummaryPoint"];
export type Style = "brief" | "detailed" | "bullet_points" | "action_items" | "headline";
export type Stage = "sending" | "waiting" | "receiving" | "decoding" | "recognizing" | "diarizing" | "offline";

const KEY = "stt-key";
export const BASE = new URL(".", document.baseURI).href.replace(/\/$/, "");

/** A refusal of the service, in its own words. */
export class Refused extends Error {
  constructor(
    readonly status: number, // 0: nobody answered
    message: string,
    readonly retryAfter = 0, // seconds
  ) {
    super(message);
  }
}

/** What the service says of a job that has failed: asking again changes nothing. */
export class JobFailed extends Refused {}

export const key = {
  read: () => sessionStorage.getItem(KEY) ?? "",
  write: (value: string) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export const authorization = (): Record<string, string> => (key.read() ? { Authorization: `Bearer ${key.read()}` } : {});

export const client = createClient<paths>({ baseUrl: BASE });
client.use({
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
  },
});

export async function readUsage(): Promise<Usage> {
  const { data, error, response } = await client.GET("/v1/usage");
  if (!data) throw refusal(response.status, error, response.headers.get("Retry-After"));
  return data;
}

export async function readLanguages(): Promise<{ code: string; name: string }[]> {
  const { data } = await client.GET("/v1/languages");
  return data?.languages ?? [];
}

export function refusal(status: number, body: unknown, retry: string | null): Refused {
  const told = (body as { error?: unknown } | undefined)?.error;
  return new Refused(status, typeof told === "string" ? told : `HTTP ${status}`, Number(retry ?? 0));
}

/** Whether anybody answers at the service's address. */
export async function isThere(): Promise<boolean> {
  const answer = await fetch(`${BASE}/health`).catch(() => null);
  return answer !== null && answer.status !== 502 && answer.status !== 504;
}

export interface SummaryEvents {
  stage: (stage: string, done: number, total: number) => void;
  token: (text: string) => void;
}

/** A summary while it is written; resolves with its statements. */
export async function summarize(transcript: Transcript, names: Record<string, string>, style: Style, events: SummaryEvents, stop: AbortSignal): Promise<{ text: string; points: Point[] }> {
  const segments = transcript.segments.map(({ text, speaker, start, end }) => ({
    text,
    speaker: speaker ? (names[speaker] ?? speaker) : null,
    start,
    end,
  }));
  const headers = { ...authorization(), "Content-Type": "application/json", Accept: "text/event-stream" };
  const body = JSON.stringify({ segments, style, evidence: true });
  const answer = await fetch(`${BASE}/v1/summarize`, { method: "POST", headers, body, signal: stop }).catch((error: unknown) => {
    if (error instanceof DOMException) throw error;
    throw new Refused(0, "");
  });
  if (!answer.ok || !answer.body)
    throw refusal(answer.status, await answer.json().catch(() => undefined), answer.headers.get("Retry-After"));
  let rest = "";
  for await (const piece of pieces(answer.body)) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const event = JSON.parse(line.slice(5));
      if (event.type === "stage") events.stage(event.stage, event.done, event.total);
      else if (event.type === "token") events.token(event.token);
      else if (event.type === "error") throw new Refused(event.status, event.error);
      else if (event.type === "summary") return { text: event.summary, points: event.points ?? [] };
    }
  }
  throw new Refused(0, "");
}

async function* pieces(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}
