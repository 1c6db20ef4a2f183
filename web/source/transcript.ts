// A transcript as the service answers it, and the changes that a person makes in it. Nothing here is changed in place.
import type { components } from "./api";

export type Transcript = components["schemas"]["Transcription"];
export type Segment = components["schemas"]["TranscriptionSegment"];
export type Word = components["schemas"]["TranscriptionWord"];
export type Names = Record<string, string>; // label of the service → name that a person gave

export const UNSURE = 0.5; // confidence below which a word is marked

export interface Place {
  segment: number;
  word: number;
}

/** The word that is spoken at a time in seconds, or the last one before it. */
export function placeAt(segments: readonly Segment[], time: number): Place | null {
  const segment = lastBefore(segments, time);
  if (segment < 0) return null;
  const word = lastBefore(segments[segment]!.words, time);
  return word < 0 ? null : { segment, word };
}

function lastBefore(parts: readonly { start: number }[], time: number): number {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (parts[middle]!.start <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function named(names: Names, speaker: string | undefined): string {
  return speaker ? (names[speaker] ?? speaker) : "";
}

/** With other words in one segment. Words that stay keep their times; the others share what is left. */
export function withText(transcript: Transcript, index: number, text: string): Transcript {
  const old = transcript.segments[index]!;
  const wanted = text.split(/\s+/).filter(Boolean);
  const words = retimed(old, wanted);
  const plain = wanted.join(" ");
  return withSegment(transcript, index, { ...old, text: plain, words });
}

export function withSpeaker(transcript: Transcript, index: number, speaker: string): Transcript {
  const changed = withSegment(transcript, index, { ...transcript.segments[index]!, speaker });
  const speakers = changed.speakers.includes(speaker) ? changed.speakers : [...changed.speakers, speaker];
  return { ...changed, speakers };
}

function withSegment(transcript: Transcript, index: number, segment: Segment): Transcript {
  const segments = transcript.segments.map((other, place) => (place === index ? segment : other));
  const kept = segments.filter((other) => other.text);
  return { ...transcript, segments: kept, text: kept.map((other) => other.text).join(" ") };
}

function retimed(segment: Segment, wanted: readonly string[]): Word[] {
  const old = segment.words;
  let first = 0;
  while (first < Math.min(old.length, wanted.length) && old[first]!.word === wanted[first]) first++;
  let last = 0;
  while (last < Math.min(old.length, wanted.length) - first && old.at(-1 - last)!.word === wanted.at(-1 - last)) last++;
  const begin = old[first]?.start ?? segment.end;
  const end = old[old.length - last - 1]?.end ?? begin;
  const fresh = wanted.slice(first, wanted.length - last);
  const step = Math.max(0, end - begin) / Math.max(1, fresh.length);
  const between = fresh.map((word, place) => ({
    word,
    start: begin + place * step,
    end: begin + (place + 1) * step,
    confidence: 1,
  }));
  return [...old.slice(0, first), ...between, ...old.slice(old.length - last)];
}

export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const padded = (value: number) => String(value).padStart(2, "0");
  return hours ? `${hours}:${padded(minutes)}:${padded(rest)}` : `${minutes}:${padded(rest)}`;
}
