// The recording's sound: what plays it, and its waveform with speakers and gaps.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { waveform } from "./sound";
import { t } from "./texts";
import { type Transcript, clock } from "./transcript";

export interface Playing {
  audio: HTMLAudioElement;
  now: () => number;
  toggle: () => void;
  jump: (seconds: number) => void;
  seek: (time: number) => void;
  playFrom: (time: number) => void;
  watch: (listener: (time: number) => void) => () => void;
}

/** One element plays it; whoever watches hears of every frame while it does. */
export function usePlaying(sound: Blob | null): Playing {
  const playing = useMemo(makePlaying, []);
  useEffect(() => {
    if (!sound) return;
    const address = URL.createObjectURL(sound);
    playing.audio.src = address;
    return () => {
      playing.audio.pause();
      URL.revokeObjectURL(address);
    };
  }, [sound]);
  return playing;
}

function makePlaying(): Playing {
  const audio = new Audio();
  const listeners = new Set<(time: number) => void>();
  const tell = () => listeners.forEach((listener) => listener(audio.currentTime));
  const follow = () => {
    tell();
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", tell);
  audio.addEventListener("pause", tell);
  const play = () => void audio.play().catch(() => undefined); // `error` tells what it cannot read
  const seek = (time: number) => {
    audio.currentTime = Math.max(0, time);
  };
  return {
    audio,
    now: () => audio.currentTime,
    toggle: () => (audio.paused ? play() : audio.pause()),
    jump: (seconds) => seek(audio.currentTime + seconds),
    seek,
    playFrom: (time) => {
      seek(time);
      play();
    },
    watch: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

interface Props {
  playing: Playing;
  sound: Blob | null;
  transcript: Transcript;
}

export function Player({ playing, sound, transcript }: Props) {
  const [time, setTime] = useState(0);
  const [running, setRunning] = useState(false);
  const [unplayable, setUnplayable] = useState(false);
  useEffect(() => playing.watch((now) => setTime(Math.round(now * 10) / 10)), []);
  useEffect(() => {
    const { audio } = playing;
    const show = () => setRunning(!audio.paused);
    const fail = () => setUnplayable(true);
    audio.addEventListener("play", show);
    audio.addEventListener("pause", show);
    audio.addEventListener("error", fail);
    return () => audio.removeEventListener("error", fail);
  }, []);
  return (
    <section class="player" aria-label={t("play")}>
      <Waveform playing={playing} sound={sound} transcript={transcript} />
      <div class="row">
        <button type="button" class="main" aria-label={running ? t("pause") : t("play")} disabled={!sound || unplayable} onClick={playing.toggle}>
          {running ? "❚❚" : "▶"}
        </button>
        <input
          type="range"
          aria-label={t("position")}
          aria-valuetext={clock(time)}
          min={0}
          max={transcript.duration}
          step={0.1}
          value={time}
          onInput={(event) => playing.seek(Number(event.currentTarget.value))}
        />
        <span class="clock">
          {clock(time)} / {clock(transcript.duration)}
        </span>
        <select aria-label={t("speed")} onChange={(event) => (playing.audio.playbackRate = Number(event.currentTarget.value))}>
          {[1, 1.25, 1.5, 2, 0.75].map((speed) => (
            <option key={speed} value={speed}>
              {speed}×
            </option>
          ))}
        </select>
      </div>
      {unplayable && <p class="warning">{t("unplayable")}</p>}
    </section>
  );
}

function Waveform({ playing, sound, transcript }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [peaks, setPeaks] = useState<Float32Array | null>(null);
  useEffect(() => {
    if (sound) void waveform(sound, transcript.duration).then(setPeaks);
  }, [sound]);
  useEffect(() => {
    const element = canvas.current!;
    const draw = () => paint(element, peaks, transcript, playing.now());
    const seen = new ResizeObserver(draw);
    seen.observe(element);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    const unwatch = playing.watch(draw);
    return () => {
      seen.disconnect();
      themed.disconnect();
      dark.removeEventListener("change", draw);
      unwatch();
    };
  }, [peaks, transcript]);
  const seek = (event: MouseEvent) => {
    const { left, width } = canvas.current!.getBoundingClientRect();
    playing.seek(((event.clientX - left) / width) * transcript.duration);
  };
  return <canvas ref={canvas} class="waveform" aria-hidden="true" onClick={seek} />;
}

const colours = new Map<string, string>();

/** A colour of the style sheet as a canvas understands it, for the theme that is shown. */
function resolved(canvas: HTMLElement, name: string): string {
  const theme = document.documentElement.dataset.theme ?? String(matchMedia("(prefers-color-scheme: dark)").matches);
  const known = colours.get(theme + name);
  if (known) return known;
  canvas.style.color = `var(${name})`;
  const found = getComputedStyle(canvas).color;
  colours.set(theme + name, found);
  return found;
}

function paint(canvas: HTMLCanvasElement, peaks: Float32Array | null, transcript: Transcript, now: number): void {
  const scale = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * scale)) [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  const context = canvas.getContext("2d")!;
  const colour = (name: string) => resolved(canvas, name);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const at = (time: number) => (time / Math.max(0.1, transcript.duration)) * width;
  context.fillStyle = colour("--gap");
  for (const gap of transcript.coverage.gaps) context.fillRect(at(gap.start), 0, Math.max(2, at(gap.end) - at(gap.start)), height);
  for (const segment of transcript.segments) {
    context.fillStyle = colour(`--speaker-${Math.max(0, transcript.speakers.indexOf(segment.speaker ?? "")) % 8}`);
    context.fillRect(at(segment.start), height - 4, Math.max(1, at(segment.end) - at(segment.start)), 4);
  }
  const middle = (height - 6) / 2;
  for (let x = 0; peaks && x < width; x += 2) {
    const loud = peaks[Math.floor((x / width) * peaks.length)]! * middle;
    context.fillStyle = colour(x < at(now) ? "--accent" : "--wave");
    context.fillRect(x, middle - loud, 1.4, Math.max(1, 2 * loud));
  }
  context.fillStyle = colour("--accent");
  context.fillRect(at(now), 0, 2, height);
}
