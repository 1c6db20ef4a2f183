// The service, by its public API alone.
import createClient from "openapi-fetch";
import type { components, paths } from "./api";
import type { Transcript } from "./transcript";

export type Usage = components["schemas"]["UsageReport"];
export type Point = components["schemas"]["SummaryPoint"];
export type Style = "brief" | "detailed" | "bullet_points" | "action_items" | "headline";
export type Stage = "sending" | "waiting" | "receiving" | "decoding" | "recognizing" | "diarizing";

const KEY = "stt-key";
const POLL = 800; // milliseconds between two looks at the progress
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

export const key = {
  read: () => sessionStorage.getItem(KEY) ?? "",
  write: (value: string) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

const authorization = (): Record<string, string> => (key.read() ? { Authorization: `Bearer ${key.read()}` } : {});

const client = createClient<paths>({ baseUrl: BASE });
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

function refusal(status: number, body: unknown, retry: string | null): Refused {
  const told = (body as { error?: unknown } | undefined)?.error;
  return new Refused(status, typeof told === "string" ? told : `HTTP ${status}`, Number(retry ?? 0));
}

/** Sends a recording and waits for its transcript. `show` gets the stage, and the share of it that is done. */
export function transcribe(
  id: string,
  file: Blob,
  name: string,
  language: string,
  show: (stage: Stage, share: number) => void,
  stop: AbortSignal,
): Promise<Transcript> {
  const form = new FormData();
  form.append("language", language);
  form.append("file", file, name);
  const request = new XMLHttpRequest();
  let polling = 0;
  const poll = async () => {
    const { data } = await client.GET("/v1/progress/{identity}", { params: { path: { identity: id } } });
    if (data && request.readyState !== XMLHttpRequest.DONE) show(data.stage, data.done);
  };
  return new Promise<Transcript>((resolve, reject) => {
    request.open("POST", `${BASE}/v1/transcribe`);
    request.responseType = "json";
    for (const [header, value] of Object.entries(authorization())) request.setRequestHeader(header, value);
    request.setRequestHeader("X-Request-Id", id);
    request.setRequestHeader("Idempotency-Key", id);
    request.upload.onprogress = ({ loaded, total }) => show("sending", total ? loaded / total : 0);
    request.upload.onload = () => {
      show("waiting", 0);
      polling = window.setInterval(() => void poll().catch(() => undefined), POLL);
    };
    request.onload = () =>
      request.status === 200
        ? resolve(request.response as Transcript)
        : reject(refusal(request.status, request.response, request.getResponseHeader("Retry-After")));
    request.onerror = () => reject(new Refused(0, ""));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    stop.addEventListener("abort", () => request.abort());
    request.send(form);
  }).finally(() => window.clearInterval(polling));
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
