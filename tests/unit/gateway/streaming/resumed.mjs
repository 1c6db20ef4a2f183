// The client of docs/live: URL FILE → the words that became final, as one line of JSON. FILE: PCM16.
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { LiveStream } from "../../../../docs/live/stt-live.mjs";

const PIECE = 3200; // bytes
const [url, path] = process.argv.slice(2);
const words = [];
const stream = new LiveStream(url, { language: "en" }, (message) => {
  if (message.type === "transcript") words.push(...message.words.map((word) => word.word));
});
const sound = fs.readFileSync(path);
for (let start = 0; start < sound.length; start += PIECE) {
  stream.send(sound.subarray(start, start + PIECE));
  await sleep(2);
}
await stream.stop();
console.log(JSON.stringify(words));
