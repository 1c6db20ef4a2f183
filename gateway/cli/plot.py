"""A picture of a conversation: the waveform, a lane per speaker, and what each says under it."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from gateway.cli.errors import CommandFailed
from gateway.cli.fonts import choose_fonts, visible
from gateway.cli.outputs import PICTURES
from gateway.cli.terminal import clock
from gateway.media.ffmpeg import Ffmpeg, FfmpegMissing
from speech.transcript import Segment, Transcript

RATE = 8_000  # Hz: enough to draw
COLUMNS = 2_000  # of the waveform
BLOCK = 1 << 20  # bytes
NOBODY = ""
TEXT_COLUMNS = 118  # characters of a line under the picture
LONGEST_TEXT = 60  # lines; more is left to the transcript
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)  # seconds between two ticks
MOST_TICKS = 12
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#44bb99", "#ee8866")


class PlotFailed(CommandFailed):
    """There is no picture."""


@dataclass(frozen=True, slots=True)
class TextLine:
    speaker: str
    text: str


def plot(transcript: Transcript, recording: Path, target: Path, title: str = "") -> list[str]:
    """Writes the picture; its kind is the ending of `target` (png, svg, pdf). returns: what it lacks, in sentences

    raises: PlotFailed
    """
    if target.suffix.lower() not in PICTURES:
        raise PlotFailed(f"{target} is an unknown kind of picture; accepted: {', '.join(PICTURES)}")
    speakers = list(dict.fromkeys(piece.speaker or NOBODY for piece in transcript.segments)) or [NOBODY]
    lines = _lines(transcript.segments)
    fonts = choose_fonts([line.text for line in lines])
    drawn = [line for line in lines if fonts.draws(line.text)]
    lacks = _lacks(len(lines) - len(drawn))
    drawn = [*_shortened(drawn), *(TextLine(NOBODY, f"({sentence})") for sentence in lacks)]
    heights = [1.6, 0.36 * len(speakers) + 0.3, 0.17 * len(drawn) + 0.2]
    figure = Figure(figsize=(12, sum(heights) + 1.1), layout="constrained")
    FigureCanvasAgg(figure)
    wave, lanes, text = figure.subplots(3, 1, gridspec_kw={"height_ratios": heights})
    lanes.sharex(wave)
    wave.set_title(_plain(title if choose_fonts([title]).draws(title) else ""), loc="left")
    _draw_wave(wave, read_peaks(recording, transcript.duration), transcript.duration)
    _draw_lanes(lanes, transcript.segments, speakers)
    _draw_time(lanes, transcript.duration)
    _draw_text(text, drawn, speakers, fonts.families)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, dpi=120)
    except OSError as problem:
        raise PlotFailed(f"the picture cannot be written to {target}: {problem.strerror or problem}") from problem
    return lacks


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
    axes.set(ylim=(len(speakers) - 0.4, -0.6))
    axes.set_yticks(range(len(speakers)), [speaker or "speech" for speaker in speakers])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _draw_time(axes: Axes, duration: float) -> None:
    step = next((step for step in STEPS if duration / step <= MOST_TICKS), STEPS[-1])
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))


def _lines(segments: Sequence[Segment]) -> list[TextLine]:
    """The text in reading order."""
    console = Console(file=io.StringIO(), width=TEXT_COLUMNS)
    lines = []
    for piece in segments:
        head = f"{clock(piece.start):>7}  "
        said = Text(visible(f"{piece.speaker + ': ' if piece.speaker else ''}{piece.text}"))
        for at, line in enumerate(said.wrap(console, TEXT_COLUMNS - len(head))):
            lines.append(TextLine(piece.speaker or NOBODY, f"{' ' * len(head) if at else head}{line.plain.rstrip()}"))
    return lines


def _shortened(lines: list[TextLine]) -> list[TextLine]:
    if len(lines) <= LONGEST_TEXT:
        return lines
    return [*lines[: LONGEST_TEXT - 1], TextLine(NOBODY, f"… and {len(lines) - LONGEST_TEXT + 1} lines more")]


def _lacks(lines: int) -> list[str]:
    if not lines:
        return []
    return [f"The picture leaves {lines} lines of text out: no font of this machine has their characters."]


def _draw_text(axes: Axes, lines: Sequence[TextLine], speakers: Sequence[str], families: Sequence[str]) -> None:
    axes.axis("off")
    for row, line in enumerate(lines):
        colour = _colour(speakers.index(line.speaker)) if line.speaker in speakers else "#333333"
        height = 1 - (row + 0.5) / max(len(lines), 1)
        axes.text(0, height, _plain(line.text), color=colour, fontsize=8, family=list(families), va="center")


def _plain(text: str) -> str:
    """Dollar signs would begin a formula."""
    return text.replace("$", r"\$")


def _colour(lane: int) -> str:
    return COLOURS[lane % len(COLOURS)]
