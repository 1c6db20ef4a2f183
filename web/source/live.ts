// The microphone with its text while somebody speaks, over the public WebSocket.
import type { components } from "./api";
import { BASE, Refused, key } from "./service";
import type { Segment, Transcript, Word } from "./transcript";

const RATE = 16_000; // samples a second

interface Message {
  type: string;
  text: string;
  partial: string;
  error?: string;
  words?: Word[];
  start?: number;
  end?: number;
  language?: string;
  duration?: number;
  warnings?: string[];
  coverage?: components["schemas"]["TranscriptionCoverage"];
  model?: string;
}

export interface Heard {
  settled: string;
  partial: string;
}

export interface Take {
  transcript: Transcript;
  sound: Blob; // WAV, 16 kHz, mono
}

export interface LiveSession {
  stop: () => void;
  taken: Promise<Take>;
}

/** Begins to listen. raises: Refused; DOMException where the microphone may not be used */
export async function listen(language: string, show: (heard: Heard) => void): Promise<LiveSession> {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false } });
  const context = new AudioContext({ sampleRate: RATE });
  await context.audioWorklet.addModule(`${BASE}/page/microphone.js`);
  const worklet = new AudioWorkletNode(context, "pcm16", { numberOfOutputs: 0 });
  const blocks: Int16Array<ArrayBuffer>[] = [];
  const silence = () => {
    microphone.getTracks().forEach((track) => track.stop());
    void context.close().catch(() => undefined);
  };
  // A browser cannot send an Authorization header here, and an address ends up in logs.
  const protocols = key.read() ? ["stt", `openai-insecure-api-key.${key.read()}`] : ["stt"];
  const socket = new WebSocket(`${BASE.replace(/^http/, "ws")}/v1/stream`, protocols);
  const segments: Segment[] = [];
  let model = "";
  let last: Message | undefined;
  let problem = "";
  let sent = 0;
  let stopping = false;
  let ended = false;

  const flush = () => {
    if (socket.readyState !== WebSocket.OPEN || !model) return;
    for (; sent < blocks.length; sent++) socket.send(blocks[sent]!);
    if (stopping && !ended) {
      ended = true;
      socket.send('{"action": "stop"}');
    }
  };
  worklet.port.onmessage = ({ data }: MessageEvent<Int16Array<ArrayBuffer>>) => {
    blocks.push(data);
    flush();
  };
  context.createMediaStreamSource(microphone).connect(worklet);

  const taken = new Promise<Take>((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify({ language }));
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const message = JSON.parse(data) as Message;
      if (message.type === "ready") model = message.model ?? "?";
      if (message.error) problem = message.error;
      if (message.type === "transcript") segments.push(segmentOf(message, language));
      if (message.type === "final") last = message;
      flush();
      show({ settled: segments.map((segment) => segment.text).join(" "), partial: message.partial ?? "" });
    };
    socket.onclose = () => {
      silence();
      if (!model) reject(new Refused(0, problem));
      else resolve({ transcript: transcriptOf(segments, last, model, problem, blocks), sound: wav(blocks) });
    };
  });
  const stop = () => {
    silence();
    stopping = true;
    flush(); // before the service is ready, it is told then
  };
  return { stop, taken };
}

function segmentOf(message: Message, language: string): Segment {
  const words = message.words ?? [];
  const confidence = words.reduce((sum, word) => sum + word.confidence, 0) / Math.max(1, words.length);
  return {
    start: message.start ?? 0,
    end: message.end ?? 0,
    text: message.text,
    language: message.language ?? language,
    confidence,
    words,
  };
}

function transcriptOf(segments: Segment[], last: Message | undefined, model: string, problem: string, blocks: readonly Int16Array[]): Transcript {
  const language = last?.language ?? segments[0]?.language ?? "en";
  return {
    text: segments.map((segment) => segment.text).join(" "),
    language,
    languages: [language],
    duration: last?.duration ?? blocks.reduce((sum, block) => sum + block.length, 0) / RATE,
    segments,
    speakers: [],
    warnings: [...(last?.warnings ?? []), ...(problem ? [problem] : [])],
    coverage: last?.coverage ?? { speech_seconds: 0, covered_seconds: 0, gaps: [] },
    model,
  };
}

export function wav(blocks: readonly Int16Array<ArrayBuffer>[], rate = RATE): Blob {
  const bytes = 2 * blocks.reduce((sum, block) => sum + block.length, 0);
  const head = new DataView(new ArrayBuffer(44));
  const letters = (place: number, text: string) => [...text].forEach((letter, at) => head.setUint8(place + at, letter.charCodeAt(0)));
  letters(0, "RIFF");
  head.setUint32(4, 36 + bytes, true);
  letters(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  letters(36, "data");
  head.setUint32(40, bytes, true);
  return new Blob([head, ...blocks], { type: "audio/wav" });
}
