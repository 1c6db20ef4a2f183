// A transcript as a file: txt, srt, vtt, json and docx.
import { strToU8, zipSync } from "fflate";
import { type Names, type Segment, type Transcript, type Word, clock, named } from "./transcript";

export const FORMATS = ["txt", "srt", "vtt", "json", "docx"] as const;
export type Format = (typeof FORMATS)[number];

const LINE = 42; // characters of a subtitle's line
const LINES = 2;
const LONGEST = 7; // seconds that a subtitle stands

export function exported(format: Format, transcript: Transcript, names: Names): Blob {
  switch (format) {
    case "txt":
      return new Blob([plain(transcript, names)], { type: "text/plain;charset=utf-8" });
    case "srt":
      return new Blob([subtitles(transcript, names, ",")], { type: "application/x-subrip;charset=utf-8" });
    case "vtt":
      return new Blob([`WEBVTT\n\n${subtitles(transcript, names, ".")}`], { type: "text/vtt;charset=utf-8" });
    case "json":
      return new Blob([JSON.stringify(renamed(transcript, names), null, 2)], { type: "application/json" });
    case "docx":
      return new Blob([docx(transcript, names) as BlobPart], {
        type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
      });
  }
}

function renamed(transcript: Transcript, names: Names): Transcript {
  const segments = transcript.segments.map((segment) =>
    segment.speaker ? { ...segment, speaker: named(names, segment.speaker) } : segment,
  );
  const speakers = [...new Set(transcript.speakers.map((speaker) => named(names, speaker)))];
  return { ...transcript, segments, speakers };
}

interface Turn {
  speaker: string;
  start: number;
  text: string;
}

function turns(transcript: Transcript, names: Names): Turn[] {
  const found: Turn[] = [];
  for (const segment of transcript.segments) {
    const speaker = named(names, segment.speaker);
    const last = found.at(-1);
    if (last && last.speaker === speaker) last.text += ` ${segment.text}`;
    else found.push({ speaker, start: segment.start, text: segment.text });
  }
  return found;
}

function plain(transcript: Transcript, names: Names): string {
  return turns(transcript, names)
    .map((turn) => `${turn.speaker ? `${turn.speaker}: ` : ""}${turn.text}\n`)
    .join("\n");
}

function subtitles(transcript: Transcript, names: Names, point: "," | "."): string {
  let speaker = "";
  const cues = transcript.segments.flatMap((segment) => {
    const own = named(names, segment.speaker);
    const label = own && own !== speaker ? `${own}: ` : "";
    speaker = own;
    return cuesOf(segment, label);
  });
  const stamp = (time: number) => {
    const whole = Math.round(time * 1000);
    const part = (value: number, digits = 2) => String(value).padStart(digits, "0");
    const [hours, minutes, seconds] = [Math.floor(whole / 3_600_000), Math.floor(whole / 60_000) % 60, Math.floor(whole / 1000) % 60];
    return `${part(hours)}:${part(minutes)}:${part(seconds)}${point}${part(whole % 1000, 3)}`;
  };
  return cues.map((cue, place) => `${place + 1}\n${stamp(cue.start)} --> ${stamp(cue.end)}\n${cue.lines.join("\n")}\n`).join("\n");
}

interface Cue {
  start: number;
  end: number;
  lines: string[];
}

function cuesOf(segment: Segment, label: string): Cue[] {
  const cues: Cue[] = [];
  let lines = [label.trimEnd()];
  let words: Word[] = [];
  const close = () => {
    if (words.length) cues.push({ start: words[0]!.start, end: words.at(-1)!.end, lines: lines.filter(Boolean) });
    lines = [""];
    words = [];
  };
  for (const word of segment.words) {
    if (words.length && word.end - words[0]!.start > LONGEST) close();
    const line = `${lines.at(-1)} ${word.word}`.trimStart();
    if (line.length <= LINE || !lines.at(-1)) lines[lines.length - 1] = line;
    else if (lines.length < LINES) lines.push(word.word);
    else {
      close();
      lines = [word.word];
    }
    words.push(word);
  }
  close();
  return cues;
}

const escaped = (text: string) =>
  text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "").replace(/[<>&]/g, (sign) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;" })[sign]!);

function docx(transcript: Transcript, names: Names): Uint8Array {
  const run = (text: string, bold = false) =>
    `<w:r>${bold ? "<w:rPr><w:b/></w:rPr>" : ""}<w:t xml:space="preserve">${escaped(text)}</w:t></w:r>`;
  const paragraphs = turns(transcript, names).map(
    (turn) => `<w:p>${run(`${turn.speaker ? `${turn.speaker} ` : ""}[${clock(turn.start)}] `, true)}${run(turn.text)}</w:p>`,
  );
  const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
  const kinds = "application/vnd.openxmlformats";
  const main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
  return zipSync({
    "[Content_Types].xml": strToU8(
      `${head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="${kinds}-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="${kinds}-officedocument.wordprocessingml.document.main+xml"/></Types>`,
    ),
    "_rels/.rels": strToU8(
      `${head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
    ),
    "word/document.xml": strToU8(`${head}<w:document xmlns:w="${main}"><w:body>${paragraphs.join("")}</w:body></w:document>`),
  });
}

/** Gives a file to the person who asked for it. */
export function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
