// OpenAI's own Realtime class: BASE KEY FILE → one line of JSON. FILE: 24 kHz, 16 bits, mono, without a header.
import fs from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const PIECE = 9600; // bytes
const [base, apiKey, path] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base, apiKey });
const realtime = new OpenAIRealtimeWS({ intent: "transcription", options: { rejectUnauthorized: false } }, client);
const heard = { kinds: [], deltas: [] };

realtime.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
realtime.on("event", (event) => heard.kinds.push(event.type));
realtime.on("conversation.item.input_audio_transcription.delta", (event) => heard.deltas.push(event.delta));
realtime.on("conversation.item.input_audio_transcription.completed", (event) => {
  console.log(JSON.stringify({ ...heard, text: event.transcript }));
  realtime.close();
});
realtime.on("session.created", () => {
  const input = { format: { type: "audio/pcm", rate: 24000 }, turn_detection: null, transcription: { language: "en" } };
  realtime.send({ type: "session.update", session: { type: "transcription", audio: { input } } });
});
realtime.on("session.updated", () => {
  const sound = fs.readFileSync(path);
  for (let start = 0; start < sound.length; start += PIECE) {
    const audio = sound.subarray(start, start + PIECE).toString("base64");
    realtime.send({ type: "input_audio_buffer.append", audio });
  }
  realtime.send({ type: "input_audio_buffer.commit" });
});
