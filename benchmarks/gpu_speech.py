"""Base on a GPU hears real speech: speed, word errors, and whether it says what the engine of a CPU says."""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.environments import WHISPER
from benchmarks.pairs import Entrant, Run, interleave
from benchmarks.peers.contender import Contender, Outcome
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.weights import ctranslate2_folder
from benchmarks.recordings import CorpusRecording, RecordingsMissing, english_clips, english_files
from benchmarks.scoring import count_errors, word_error_rate

COLUMNS = ("system", "wall s", "× real time", "WER % (95 % interval)", "words unlike the CPU engine's, %")
TITLE = "base on real speech"


@dataclass(frozen=True)
class SpeechMeasurement:
    table: report.Table
    versions: dict[str, str]
    data: object = None


def hear(folder: Path, options: argparse.Namespace) -> SpeechMeasurement:
    """folder: base's export for GPUs; every recording goes through the real scheduler, in process."""
    try:
        recordings = english_clips()[: options.clips] if options.clips else english_files()
    except RecordingsMissing as error:
        return SpeechMeasurement(report.Table(TITLE, COLUMNS, [], f"Left out: {error}."), {})
    on_card = options.provider == "gpu"
    with ExitStack() as stack:
        module = "engine" if on_card else "graphs_on_cpu"
        ours = Contender(module, folder, options.python)
        entries = [Entrant("this engine", stack.enter_context(ours))]
        versions, skipped = dict(ours.versions), ""
        try:
            module = "faster_whisper_cuda" if on_card else "faster_whisper"
            peer = stack.enter_context(Contender(module, ctranslate2_folder(), Path(sys.executable)))
            entries.append(Entrant("faster-whisper", peer))
            versions |= peer.versions
        except PeerFailed as error:
            skipped = f" faster-whisper left out: {error}."
        rounds = interleave(entries, recordings, options.rounds, _tell)
        said = [ours.transcribe(recording, words=True, language="en") for recording in recordings]
    unlike, note = _compare(said, recordings, options.python)
    rows = [_row([runs[index] for runs in rounds], recordings) for index in range(len(entries))]
    rows = [(*row, unlike if index == 0 else "") for index, row in enumerate(rows)]
    minutes = sum(recording.duration for recording in recordings) / 60
    title = f"{TITLE}: {len(recordings)} recordings, {minutes:.1f} minutes"
    note = f"{options.rounds} interleaved rounds, language given; medians.{skipped}{note}"
    data = [[{"system": run.title, "seconds": run.seconds, "wer": run.wer.percent} for run in runs] for runs in rounds]
    return SpeechMeasurement(report.Table(title, COLUMNS, rows, note), versions, data)


def _row(runs: list[Run], recordings: list[CorpusRecording]) -> tuple[object, ...]:
    seconds = statistics.median(run.seconds for run in runs)
    duration = sum(recording.duration for recording in recordings)
    return runs[0].title, seconds, duration / seconds, str(runs[0].wer)


def _compare(said: list[Outcome], recordings: list[CorpusRecording], python: Path) -> tuple[str, str]:
    """Words that differ from those of the CPU's engine, or why that is not known."""
    if not (WHISPER / "1" / "manifest.json").exists():
        return "", f" {WHISPER.name} is not exported for the CPU: texts are not compared."
    with Contender("engine", WHISPER, python) as cpu:
        expected = [cpu.transcribe(recording, words=True, language="en") for recording in recordings]
    pairs = zip(expected, said, strict=True)
    return f"{word_error_rate([count_errors(cpu.text, ours.text) for cpu, ours in pairs]).percent:.2f}", ""


def _tell(run: Run) -> None:
    print(f"{run.title:16} {run.seconds:7.1f} s wall, WER {run.wer}", file=sys.stderr, flush=True)
