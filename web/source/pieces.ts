// A recording on its way to the service piece by piece (tus): a broken connection or a closed tab costs one of them.
import { type DetailedError, Upload } from "tus-js-client";
import { BASE, Refused, authorization, refusal } from "./service";

const PIECE = 8 * 2 ** 20; // bytes of one request: proxies bound them

/** Goes on where an earlier attempt under this id ended; gives the upload's id. raises: Refused, AbortError */
export function sendInPieces(id: string, sound: Blob, name: string, sending: (share: number) => void, stop: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const upload = new Upload(sound, {
      endpoint: `${BASE}/v1/uploads`,
      headers: authorization(),
      metadata: { filename: name },
      chunkSize: PIECE,
      fingerprint: () => Promise.resolve(id),
      removeFingerprintOnSuccess: true,
      onProgress: (sent, total) => sending(total ? sent / total : 0),
      onSuccess: () => resolve(upload.url!.split("/").pop()!),
      onError: (problem) => reject(refused(problem)),
    });
    stop.addEventListener("abort", () => {
      void upload.abort(true).catch(() => undefined); // what has come is of no use
      reject(new DOMException("stopped", "AbortError"));
    });
    void upload.findPreviousUploads().then(([earlier]) => {
      if (earlier) upload.resumeFromPreviousUpload(earlier);
      upload.start();
    }, reject);
  });
}

function refused(problem: Error | DetailedError): Refused {
  const response = "originalResponse" in problem ? problem.originalResponse : null;
  if (!response) return new Refused(0, "");
  let body: unknown;
  try {
    body = JSON.parse(response.getBody());
  } catch {
    body = undefined; // of a proxy
  }
  return refusal(response.getStatus(), body, response.getHeader("Retry-After") ?? null);
}
