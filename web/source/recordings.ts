// Recordings that are sent and waited for, in one request.
import { type Stage, client } from "./service";
import type { Transcript } from "./transcript";
import { post } from "./upload";

const POLL = 800; // milliseconds between two looks at the progress

export interface Recording {
  sound?: Blob;
  url?: string; // where the service finds it, in place of `sound`
  upload?: string; // id of what was sent in pieces, in place of both
  name: string;
  language: string;
}

export type Show = (stage: Stage, share: number) => void; // share of the stage that is done, 0 to 1

export function formOf({ sound, url, upload, name, language }: Recording): FormData {
  const form = new FormData();
  form.append("language", language);
  if (upload) form.append("upload", upload);
  else if (sound) form.append("file", sound, name);
  else form.append("url", url ?? "");
  return form;
}

/** Sends a recording and waits for its transcript. raises: Refused, AbortError */
export function transcribe(id: string, recording: Recording, show: Show, stop: AbortSignal): Promise<Transcript> {
  let polling = 0;
  const poll = async () => {
    const { data } = await client.GET("/v1/progress/{identity}", { params: { path: { identity: id } } });
    if (data && polling) show(data.stage, data.done);
  };
  const watcher = {
    sending: (share: number) => show("sending", share),
    sent: () => {
      show("waiting", 0);
      polling = window.setInterval(() => void poll().catch(() => undefined), POLL);
    },
  };
  return post<Transcript>("/v1/transcribe", formOf(recording), id, watcher, stop).finally(() => {
    window.clearInterval(polling);
    polling = 0;
  });
}
