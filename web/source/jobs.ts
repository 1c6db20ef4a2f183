// Recordings that are handed over as jobs: from then on they end without this page. Jobs belong to a key.
import type { components } from "./api";
import { pause } from "./patience";
import { type Recording, type Show, formOf } from "./recordings";
import { JobFailed, client, key, refusal } from "./service";
import type { Transcript } from "./transcript";
import { post } from "./upload";

type Job = components["schemas"]["JobReport"];

const LOOK = 1500; // milliseconds between two looks at a job, of three at most; more jobs are looked at more seldom
let followed = 0;
let endpoints: Promise<readonly string[]> | undefined;

/** Whether this caller may hand over jobs. raises: Refused */
export async function offersJobs(): Promise<boolean> {
  if (!key.read()) return false;
  endpoints ??= readEndpoints().catch((problem: unknown) => {
    endpoints = undefined;
    throw problem;
  });
  return (await endpoints).includes("/v1/jobs");
}

async function readEndpoints(): Promise<readonly string[]> {
  const { data, response } = await client.GET("/", { headers: { Accept: "application/json" } });
  if (typeof data !== "object") throw refusal(response.status, undefined, response.headers.get("Retry-After"));
  return data.endpoints;
}

/** Hands a recording over; gives the job's id. raises: Refused, AbortError */
export async function submit(id: string, recording: Recording, show: Show, stop: AbortSignal): Promise<string> {
  const watcher = { sending: (share: number) => show("sending", share), sent: () => show("waiting", 0) };
  const job = await post<Job>("/v1/jobs", formOf(recording), id, watcher, stop);
  return job.id;
}

/** Waits until a job has ended. raises: JobFailed, Refused, AbortError */
export async function follow(identity: string, show: Show, stop: AbortSignal): Promise<Transcript> {
  followed++;
  try {
    await untilCompleted(identity, show, stop);
  } finally {
    followed--;
  }
  const params = { path: { identity } };
  const { data, error, response } = await client.GET("/v1/jobs/{identity}/transcript", { params, signal: stop });
  if (!data) throw refusal(response.status, error, response.headers.get("Retry-After"));
  return data as Transcript;
}

async function untilCompleted(identity: string, show: Show, stop: AbortSignal): Promise<void> {
  for (;;) {
    const { data, error, response } = await client.GET("/v1/jobs/{identity}", { params: { path: { identity } }, signal: stop });
    if (!data) throw refusal(response.status, error, response.headers.get("Retry-After"));
    if (data.status === "completed") return;
    if (data.status === "failed") throw new JobFailed(data.error?.status ?? 500, data.error?.message ?? "");
    if (data.status === "cancelled") throw new JobFailed(410, "");
    show(data.status === "queued" ? "waiting" : "recognizing", data.progress);
    await pause(LOOK * Math.max(1, followed / 3), stop);
  }
}

/** Ends a job, or removes what the service keeps of it. */
export async function forget(identity: string): Promise<void> {
  const path = { params: { path: { identity } } };
  const { response } = await client.DELETE("/v1/jobs/{identity}", path);
  if (response.status === 200) await client.DELETE("/v1/jobs/{identity}", path); // it was cancelled, and is still listed
}
