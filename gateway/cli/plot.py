"""A picture of a conversation: the waveform, a lane per speaker, and what each says under it."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gateway.media.ffmpeg import Ffmpeg, FfmpegMissing
from speech.transcript import Segment, Transcript

RATE = 8_000  # Hz: enough to draw
COLUMNS = 2_000  # of the waveform
BLOCK = 1 << 20  # bytes
NOBODY = ""
TEXT_COLUMNS = 118  # characters of a line under the picture
LONGEST_TEXT = 60  # lines; more is left to the transcript
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#44bb99", "#ee8866")


class PlotFailed(Exception):
    """There is no picture; the text says why."""


def plot(transcript: Transcript, recording: Path, target: Path) -> None:
    """Writes the picture; its kind is the ending of `target` (png, svg, pdf). raises: PlotFailed"""
    speakers = list(dict.fromkeys(piece.speaker or NOBODY for piece in transcript.segments)) or [NOBODY]
    lines = _lines(transcript.segments)
    heights = [1.6, 0.36 * len(speakers) + 0.3, 0.17 * len(lines) + 0.2]
    figure = Figure(figsize=(12, sum(heights) + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    wave, lanes, text = figure.subplots(3, 1, gridspec_kw={"height_ratios": heights})
    lanes.sharex(wave)
    _draw_wave(wave, read_peaks(recording, transcript.duration), transcript.duration)
    _draw_lanes(lanes, transcript.segments, speakers)
    _draw_text(text, lines, speakers)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(target, dpi=120)
    except (OSError, ValueError) as problem:
        raise PlotFailed(f"the picture cannot be written to {target}: {problem}") from problem


def read_peaks(recording: Path, duration: float) -> NDArray[np.float64]:
    """Lowest and highest sample in each of COLUMNS parts: (2, COLUMNS), -1..1. Memory does not grow with length."""
    peaks = np.zeros((2, COLUMNS))
    part = max(1.0, duration * RATE / COLUMNS)
    done = 0
    for samples in _samples(recording):
        columns = np.minimum(((done + np.arange(len(samples))) / part).astype(int), COLUMNS - 1)
        np.minimum.at(peaks[0], columns, samples)
        np.maximum.at(peaks[1], columns, samples)
        done += len(samples)
    return peaks


def _samples(recording: Path) -> Iterator[NDArray[np.float64]]:
    try:
        command = [str(Ffmpeg.find().executable), "-v", "error", "-i", str(recording.resolve()), "-vn", "-ac", "1"]
    except FfmpegMissing as problem:
        raise PlotFailed(str(problem)) from problem
    heard = False
    with subprocess.Popen([*command, "-ar", str(RATE), "-f", "s16le", "-"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while block := process.stdout.read(BLOCK):
            heard = True
            yield np.frombuffer(block[: len(block) // 2 * 2], np.int16) / 32768.0
    if not heard:
        raise PlotFailed(f"ffmpeg finds no sound in {recording}")


def _draw_wave(axes: Axes, peaks: NDArray[np.float64], duration: float) -> None:
    times = (np.arange(COLUMNS) + 0.5) * duration / COLUMNS
    axes.fill_between(times, peaks[0], peaks[1], color="#555555", linewidth=0)
    axes.set(xlim=(0, duration), yticks=[], ylabel="sound")
    axes.tick_params(labelbottom=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _draw_lanes(axes: Axes, segments: Sequence[Segment], speakers: Sequence[str]) -> None:
    for lane, speaker in enumerate(speakers):
        spans = [(piece.start, piece.end - piece.start) for piece in segments if (piece.speaker or NOBODY) == speaker]
        axes.broken_barh(spans, (lane - 0.36, 0.72), facecolors=_colour(lane))
    axes.set(ylim=(len(speakers) - 0.4, -0.6), xlabel="seconds")
    axes.set_yticks(range(len(speakers)), [speaker or "speech" for speaker in speakers])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _lines(segments: Sequence[Segment]) -> list[tuple[str, str]]:
    """(speaker, line): the text in reading order."""
    lines = []
    for piece in segments:
        said = f"{_clock(piece.start)}  {piece.speaker + ': ' if piece.speaker else ''}{piece.text}"
        for line in textwrap.wrap(said, TEXT_COLUMNS, subsequent_indent=" " * 7) or [said]:
            lines.append((piece.speaker or NOBODY, line))
    if len(lines) > LONGEST_TEXT:
        return [*lines[: LONGEST_TEXT - 1], (NOBODY, f"… and {len(lines) - LONGEST_TEXT + 1} lines more")]
    return lines


def _draw_text(axes: Axes, lines: Sequence[tuple[str, str]], speakers: Sequence[str]) -> None:
    axes.axis("off")
    for row, (speaker, line) in enumerate(lines):
        colour = _colour(speakers.index(speaker)) if speaker in speakers else "#333333"
        height = 1 - (row + 0.5) / max(len(lines), 1)
        # Dollar signs would begin a formula.
        axes.text(0, height, line.replace("$", r"\$"), color=colour, fontsize=8, family="monospace", va="center")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02}:{rest:02}"


def _colour(lane: int) -> str:
    return COLOURS[lane % len(COLOURS)]
