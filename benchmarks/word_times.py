"""Word times against the truth: how many starts and ends are within 50, 100 and 200 ms, and how far they are off.

This service over HTTP beside faster-whisper with word times, batched and one after another with a beam of 5, and
whisper.cpp if asked for, on the same weights, recording by recording in turn. What is true is known from how the
recordings were made (`aligned_speech`), not from another model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks import report
from benchmarks.aligned_speech import (
    AlignedRecording,
    adjacent_sentences,
    adjacent_words,
    sentences,
    synthesised,
    words,
)
from benchmarks.environments import PEERS_PYTHON
from benchmarks.pairs import Entrant
from benchmarks.peers.contender import Contender
from benchmarks.peers.weights import ctranslate2_folder, ggml_file
from benchmarks.service import Service
from benchmarks.time_scoring import BoundaryErrors, boundary_errors

SETS = {each.__name__: each for each in (sentences, adjacent_sentences, words, adjacent_words, synthesised)}
SHARES = (5, 25, 50, 75, 95)  # percentiles of the errors
COLLARS = (0.05, 0.1, 0.2)  # seconds
PEERS = ("faster_whisper", "faster_whisper_sequential", "whisper_cpp")
TITLES = {
    "faster_whisper": "faster-whisper int8, batched",
    "faster_whisper_sequential": "faster-whisper int8, beam 5",
    "whisper_cpp": "whisper.cpp f16",
}
COLUMNS = (
    "set", "system", "boundaries told, of known", "F1 at 50 ms, %", "at 100 ms", "at 200 ms",
    "start: mean error, ms", "median", "late by (median)", "end: mean error, ms", "median", "late by (median)",
)  # fmt: skip

ErrorsBySystem = dict[str, BoundaryErrors]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        entries = [Entrant("this service", stack.enter_context(Service()))]
        versions: dict[str, str] = {}
        for peer in options.peers:
            weights = ggml_file() if peer == "whisper_cpp" else ctranslate2_folder()
            contender = stack.enter_context(Contender(peer, weights, PEERS_PYTHON))
            entries.append(Entrant(TITLES[peer], contender))
            versions |= contender.versions
        found = {name: _errors(entries, _some(SETS[name](), options.recordings)) for name in options.sets}
    rows = [_row(name, system, errors) for name, systems in found.items() for system, errors in systems.items()]
    table = report.Table("Starts and ends of words", COLUMNS, rows, "Language given. Base on the same weights.")
    data: dict[str, object] = {
        name: {system: _plain(errors) for system, errors in systems.items()} for name, systems in found.items()
    }
    command = report.command("word_times", arguments)
    print(report.write(report.Report("word_times", command, [table], versions, data), options.results).read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks word_times", description=__doc__)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS), help="sets of recordings")
    parser.add_argument("--recordings", type=int, default=0, help="of each set at most, spread over it (0: all)")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS[:2], help="none: this service alone")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    return parser


def _some(recordings: Sequence[AlignedRecording], most: int) -> Sequence[AlignedRecording]:
    return recordings[:: -(-len(recordings) // most)] if most else recordings


def _errors(entries: Sequence[Entrant], recordings: Sequence[AlignedRecording]) -> ErrorsBySystem:
    found = {entry.title: BoundaryErrors() for entry in entries}
    for at, aligned in enumerate(recordings):
        for entry in entries if at % 2 == 0 else entries[::-1]:
            heard = entry.transcriber.transcribe(aligned.recording, words=True, language="en")
            found[entry.title] += boundary_errors(aligned.words, heard.words)
    print(f"{recordings[0].recording.group}: {len(recordings)} recordings", file=sys.stderr, flush=True)
    return found


def _row(name: str, system: str, errors: BoundaryErrors) -> tuple[object, ...]:
    shares = [round(errors.f1(collar), 1) for collar in COLLARS]
    return (name, system, f"{errors.told} of {errors.known}", *shares, *_off(errors.starts), *_off(errors.ends))


def _off(errors: Sequence[float]) -> tuple[int, int, int]:
    """Milliseconds: mean and median error, and median with its sign."""
    milliseconds = 1000 * np.array(errors or [0.0])
    size = np.abs(milliseconds)
    return round(size.mean()), round(float(np.median(size))), round(float(np.median(milliseconds)))


def _plain(errors: BoundaryErrors) -> dict[str, object]:
    """Percentiles of the errors with their signs, milliseconds."""
    spread = {
        side: {f"{share} %": round(1000 * float(np.percentile(values or [0.0], share))) for share in SHARES}
        for side, values in (("starts", errors.starts), ("ends", errors.ends))
    }
    return {"known": errors.known, "told": errors.told, **spread}
