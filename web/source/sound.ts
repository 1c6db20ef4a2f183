// The sound of a recording, decoded in the browser for its waveform and for cutting a part out.
import { wav } from "./live";

const BINS = 1200; // of a waveform
const RATE = 16_000;
const LONGEST = 3600; // seconds; a longer one would not fit into a phone's memory

/** Loudness of each part, 0 to 1; null where the browser cannot read it. */
export async function waveform(sound: Blob, duration: number): Promise<Float32Array | null> {
  const samples = duration > LONGEST ? null : await decoded(sound, 8000);
  if (!samples) return null;
  const peaks = new Float32Array(BINS);
  const share = samples.length / BINS;
  let most = 0.01;
  for (let bin = 0; bin < BINS; bin++) {
    const end = Math.min(samples.length, Math.floor((bin + 1) * share));
    for (let at = Math.floor(bin * share); at < end; at++) peaks[bin] = Math.max(peaks[bin]!, Math.abs(samples[at]!));
    most = Math.max(most, peaks[bin]!);
  }
  return peaks.map((peak) => peak / most);
}

/** A part of a recording as WAV; null where the browser cannot read it. */
export async function cut(sound: Blob, start: number, end: number): Promise<Blob | null> {
  const samples = await decoded(sound, RATE);
  if (!samples) return null;
  const part = samples.subarray(Math.max(0, Math.floor(start * RATE)), Math.ceil(end * RATE));
  return wav([Int16Array.from(part, (value) => 32767 * Math.max(-1, Math.min(1, value)))], RATE);
}

async function decoded(sound: Blob, rate: number): Promise<Float32Array | null> {
  try {
    const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await sound.arrayBuffer());
    return buffer.getChannelData(0);
  } catch {
    return null;
  }
}
