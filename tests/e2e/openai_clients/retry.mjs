// What OpenAI's own SDK makes of a refusal: BASE FILE → one line of JSON.
import fs from "node:fs";
import OpenAI from "openai";

const [base, path] = process.argv.slice(2);
const { transcriptions } = new OpenAI({ baseURL: base, apiKey: "dummy" }).audio;
try {
  const { text } = await transcriptions.create({ file: new File([fs.readFileSync(path)], "a.flac"), model: "whisper-1" });
  console.log(JSON.stringify({ text }));
} catch (error) {
  console.log(JSON.stringify({ status: error.status, code: error.code, message: error.message }));
}
