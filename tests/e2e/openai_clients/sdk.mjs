// OpenAI's own SDK, and the ai-sdk: BASE KEY FILE → one line of JSON.
import fs from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import * as ai from "ai";
import OpenAI from "openai";

const [base, apiKey, path] = process.argv.slice(2);
const transcribe = ai.transcribe ?? ai.experimental_transcribe;
const { transcriptions } = new OpenAI({ baseURL: base, apiKey, maxRetries: 0 }).audio;
const create = (options) => transcriptions.create({ file: fs.createReadStream(path), model: "whisper-1", ...options });

const text = await create({ response_format: "text" });
const verbose = await create({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });
const deltas = [];
let done;
for await (const event of await create({ stream: true })) {
  if (event.type === "transcript.text.delta") deltas.push(event.delta);
  else done = event;
}
const provider = createOpenAI({ baseURL: base, apiKey });
const read = {};
for (const model of ["whisper-1", "gpt-4o-transcribe"]) {
  const answer = await transcribe({ model: provider.transcription(model), audio: fs.readFileSync(path), maxRetries: 0 });
  read[model] = { text: answer.text, segments: answer.segments, seconds: answer.durationInSeconds };
}
console.log(JSON.stringify({ text, words: verbose.words.length, segments: verbose.segments.length, deltas, done, read }));
