// A form on its way to the service. `fetch` cannot tell how far an upload is.
import { BASE, Refused, authorization, refusal } from "./service";

export interface Watcher {
  sending: (share: number) => void; // 0 to 1
  sent: () => void; // all of it; the service has not answered yet
}

/** Sends it under an id: sent again, it is charged once. raises: Refused; AbortError where `stop` says so */
export function post<T>(path: string, form: FormData, id: string, watcher: Watcher, stop: AbortSignal): Promise<T> {
  const request = new XMLHttpRequest();
  return new Promise<T>((resolve, reject) => {
    request.open("POST", `${BASE}${path}`);
    request.responseType = "json";
    for (const [header, value] of Object.entries(authorization())) request.setRequestHeader(header, value);
    request.setRequestHeader("X-Request-Id", id);
    request.setRequestHeader("Idempotency-Key", id);
    request.upload.onprogress = ({ loaded, total }) => watcher.sending(total ? loaded / total : 0);
    request.upload.onload = watcher.sent;
    request.onload = () =>
      request.status >= 200 && request.status < 300
        ? resolve(request.response as T)
        : reject(refusal(request.status, request.response, request.getResponseHeader("Retry-After")));
    request.onerror = () => reject(new Refused(0, ""));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    stop.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
