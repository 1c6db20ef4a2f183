// Plays raw PCM16 into the published Node client and prints what it heard, as JSON.
// usage: node stream.js URL KEY FILE
const fs = require("fs");
const { STTClient } = require("@sttainpm/sttai");

const [url, key, file] = process.argv.slice(2);
const sound = fs.readFileSync(file);
const heard = { partial: 0, transcript: [], errors: [] };

const stream = new STTClient({ apiKey: key, baseUrl: url }).stream(null, { language: "en" });
stream.on("error", (error) => heard.errors.push(error.message));
stream.on("partial", () => heard.partial++);
stream.on("transcript", (message) => {
  heard.transcript.push(message.text);
  if (message.text.includes("them")) stream.close(); // the last word of the recording
});
stream.on("open", async () => {
  for (let at = 0; at < sound.length; at += 6400) {
    stream.send(sound.subarray(at, at + 6400));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  stream.send(Buffer.alloc(32000 * 2)); // the speaker falls silent
});
stream.on("close", ({ code }) => {
  console.log(JSON.stringify({ ...heard, code }));
  process.exit(0);
});
setTimeout(() => stream.close(), 60000);
