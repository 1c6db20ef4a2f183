// What the browser keeps: talks in IndexedDB, each recording beside them. Nothing of it leaves the machine by itself.
import type { Names, Transcript } from "./transcript";

export type Status = "waiting" | "sending" | "working" | "done" | "failed";

export interface Talk {
  id: string; // also of its request: sent again, it is charged once
  name: string;
  created: number; // milliseconds since 1970
  language: string; // as asked for
  status: Status;
  url?: string; // where the service finds the recording; there is no sound here
  keyed?: boolean; // whether it was given with a key
  upload?: string; // id of its sound at the service, sent in pieces for a job
  job?: string; // its id at the service
  attempts?: number; // how often it was sent anew, each time under another id
  problem?: string;
  refusal?: number; // HTTP status of the problem
  until?: number; // milliseconds since 1970: not accepted before
  transcript?: Transcript;
  names: Names;
}

const OPENED = open();

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("stt", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("talks", { keyPath: "id" });
      request.result.createObjectStore("sounds");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

type Store = "talks" | "sounds";

async function done<T>(store: Store, mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await OPENED;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? request.error);
  });
}

export async function readTalks(): Promise<Talk[]> {
  const talks = await done<Talk[]>("talks", "readonly", (store) => store.getAll());
  return talks.sort((one, other) => other.created - one.created);
}

export const writeTalk = (talk: Talk) => done("talks", "readwrite", (store) => store.put(talk));
export const writeSound = (id: string, sound: Blob) => done("sounds", "readwrite", (store) => store.put(sound, id));
export const readSound = (id: string) => done<Blob | undefined>("sounds", "readonly", (store) => store.get(id));

export async function removeTalk(id: string): Promise<void> {
  await done("talks", "readwrite", (store) => store.delete(id));
  await done("sounds", "readwrite", (store) => store.delete(id));
}
