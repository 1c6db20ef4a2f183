// The microphone with its text while somebody speaks, over the public WebSocket.
import type { components } from "./api";
import { BASE, Refused, key } from "./service";
import type { Segment, Transcript, Word } from "./transcript";

const RATE = 16_000; // samples a second

interface Message {
  type: string;
  event?: string;
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
  segments?: Segment[]; // of the last one, with the speakers that all of the sound tells apart
  speakers?: string[];
}

export interface Line {
  speaker: string; // "" where nobody is known
  text: string;
}

export interface Heard {
  lines: readonly Line[]; // one for each turn, and for each who speaks in it
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

/** Begins to listen; `diarize` tells speakers apart. raises: Refused; DOMException where the microphone may not be used */
export async function listen(language: string, diarize: boolean, show: (heard: Heard) => void): Promise<LiveSession> {
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
  const lines: Line[] = [];
  let turnOver = true;
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
    socket.onopen = () => socket.send(JSON.stringify({ language, diarize, end_of_turn: "pause" }));
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const message = JSON.parse(data) as Message;
      if (message.type === "ready") model = message.model ?? "?";
      if (message.error) problem = message.error;
      if (message.type === "turn" && message.event === "end") turnOver = true;
      if (message.type === "transcript")
        for (const segment of segmentsOf(message, language)) {
          segments.push(segment);
          write(lines, segment, turnOver);
          turnOver = false;
        }
      if (message.type === "final") last = message;
      flush();
      show({ lines: [...lines], partial: message.partial ?? "" });
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

/** The words that a message makes final, a segment for each who speaks. */
function segmentsOf(message: Message, language: string): Segment[] {
  const runs: Word[][] = [];
  for (const word of message.words ?? []) {
    if (runs.length && speakerOf(runs.at(-1)![0]!) === speakerOf(word)) runs.at(-1)!.push(word);
    else runs.push([word]);
  }
  let place = 0;
  return runs.map((words) => {
    const from = place;
    for (const { word } of words) place = Math.max(place, message.text.indexOf(word, place) + word.length);
    const speaker = speakerOf(words[0]!);
    return {
      start: words[0]!.start,
      end: words.at(-1)!.end,
      text: message.text.slice(from, place).trim(),
      ...(speaker ? { speaker } : {}),
      language: message.language ?? language,
      confidence: words.reduce((sum, word) => sum + word.confidence, 0) / words.length,
      words,
    };
  });
}

const speakerOf = (word: Word & { speaker?: string }) => word.speaker ?? "";

function write(lines: Line[], { speaker = "", text }: Segment, fresh: boolean): void {
  const last = lines.at(-1);
  if (last && !fresh && (!speaker || speaker === last.speaker)) last.text += ` ${text}`;
  else lines.push({ speaker, text });
}

function transcriptOf(segments: Segment[], last: Message | undefined, model: string, problem: string, blocks: readonly Int16Array[]): Transcript {
  const language = last?.language ?? segments[0]?.language ?? "en";
  return {
    text: segments.map((segment) => segment.text).join(" "),
    language,
    languages: [language],
    duration: last?.duration ?? blocks.reduce((sum, block) => sum + block.length, 0) / RATE,
    segments: last?.segments ?? segments,
    speakers: last?.speakers ?? [],
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
