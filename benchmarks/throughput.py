"""Speed: this service over HTTP against faster-whisper and whisper.cpp, on the same weights and recordings.

Two processor cores for everybody, contenders in turn on the same recordings, at least five rounds; what
counts is the median of the rounds' ratios, with the word error rate beside it. The engine alone, in
process on the same windows, shows what HTTP, Triton and voice activity detection cost.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import report
from benchmarks.environments import PEERS_PYTHON, SERVICE_PYTHON, WHISPER
from benchmarks.pairs import Entrant, Run, interleave, ratio
from benchmarks.peers.contender import Contender
from benchmarks.peers.weights import ctranslate2_folder, ggml_file
from benchmarks.processes import MemoryWatch
from benchmarks.recordings import CorpusRecording, english_clips, english_files
from benchmarks.service import Service

CORES = 2
COLUMNS = (
    "system", "word times", "wall s", "× real time", "times this service's wall (least–most)",
    "processor s", "times this service's processor s", "WER % (95 % interval)",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])  # every child inherits it
    with ExitStack() as stack:
        service = stack.enter_context(Service(settings=dict(pair.split("=", 1) for pair in options.set)))
        entries = [Entrant("this service, HTTP", service)]
        if not options.without_engine:
            engine = stack.enter_context(Contender("engine", WHISPER, SERVICE_PYTHON, CORES))
            entries.append(Entrant("its engine alone", engine))
        faster = stack.enter_context(Contender("faster_whisper", ctranslate2_folder(), PEERS_PYTHON, CORES))
        entries += [Entrant("faster-whisper int8, words", faster), Entrant("faster-whisper int8", faster, words=False)]
        versions = dict(faster.versions)
        slow = []
        if options.whisper_cpp:
            cpp = stack.enter_context(Contender("whisper_cpp", ggml_file(), PEERS_PYTHON, CORES))
            slow = [Entrant("whisper.cpp f16, words", cpp), Entrant("whisper.cpp f16", cpp, words=False)]
            versions |= cpp.versions
        watch = stack.enter_context(MemoryWatch(service.process.pid))
        measured = {
            name: _measure(name, recordings, entries, slow, options)
            for name, recordings in _recordings(options).items()
        }
        tables = [table for table, _ in measured.values()]
        tables.append(_memory(watch))
    data = {name: rounds for name, (_, rounds) in measured.items()}
    command = report.command("throughput", arguments)
    name = "-".join(filter(None, ["throughput", options.only]))
    print(report.write(report.Report(name, command, tables, versions, data), options.results).read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks throughput", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("files", "clips"), help="one of the two kinds of recordings")
    parser.add_argument("--clips", type=int, metavar="N", help="that many of the short clips, evenly chosen")
    parser.add_argument("--whisper-cpp", type=int, default=1, metavar="ROUNDS", help="it takes long; 0: leave it out")
    parser.add_argument("--without-engine", action="store_true", help="leave out the engine alone")
    parser.add_argument("--set", action="append", default=[], metavar="STT_NAME=VALUE", help="setting of the service")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    return parser


def _recordings(options: argparse.Namespace) -> dict[str, list[CorpusRecording]]:
    kinds = {"files": english_files, "clips": english_clips}
    chosen = {name: read() for name, read in kinds.items() if options.only in (None, name)}
    if options.clips and "clips" in chosen:
        clips = chosen["clips"]
        chosen["clips"] = [clips[index * len(clips) // options.clips] for index in range(options.clips)]
    return chosen


def _measure(
    name: str,
    recordings: list[CorpusRecording],
    entries: list[Entrant],
    slow: list[Entrant],
    options: argparse.Namespace,
) -> tuple[report.Table, object]:
    rounds = interleave(entries, recordings, options.rounds, _tell)
    rows = [_row(entry, [runs[index] for runs in rounds], rounds, recordings) for index, entry in enumerate(entries)]
    for entry in slow:
        beside = interleave([entries[0], entry], recordings, options.whisper_cpp, _tell)
        rows.append(_row(entry, [runs[1] for runs in beside], beside, recordings))
    minutes = sum(recording.duration for recording in recordings) / 60
    title = {
        "files": f"Files: {len(recordings)} of English, {minutes:.1f} minutes",
        "clips": f"Clips under 12 s, one at a time: {len(recordings)} of English, {minutes:.1f} minutes",
    }[name]
    note = (
        f"{options.rounds} interleaved rounds on {CORES} cores, language given; medians. WER by Whisper's normaliser."
    )
    return report.Table(title, COLUMNS, rows, note), [[_plain(run) for run in runs] for runs in rounds]


def _row(
    entry: Entrant, runs: Sequence[Run], rounds: Sequence[Sequence[Run]], recordings: Sequence[CorpusRecording]
) -> tuple[object, ...]:
    index = next(place for place, run in enumerate(rounds[0]) if run.title == entry.title)
    seconds = statistics.median(run.seconds for run in runs)
    wall, least, most = ratio(rounds, index)
    processor, _, _ = ratio(rounds, index, processor=True)
    return (
        entry.title,
        "yes" if entry.words else "no",
        seconds,
        sum(recording.duration for recording in recordings) / seconds,
        f"{wall:.2f} ({least:.2f}–{most:.2f})",
        statistics.median(run.processor_seconds for run in runs),
        processor,
        str(runs[0].wer),
    )


def _memory(watch: MemoryWatch) -> report.Table:
    parts = sorted(watch.parts.items(), key=lambda part: -part[1])
    rows: list[tuple[object, ...]] = [(name, size) for name, size in parts]
    return report.Table("Memory of the service", ("process", "MB (PSS)"), [*rows, ("all, at the peak", watch.peak)])


def _plain(run: Run) -> dict[str, object]:
    return {
        "system": run.title,
        "seconds": run.seconds,
        "processor_seconds": run.processor_seconds,
        "longest_seconds": run.longest,
        "wer": run.wer.percent,
    }


def _tell(run: Run) -> None:
    figures = f"{run.seconds:7.1f} s wall, {run.processor_seconds:7.1f} s processor, WER {run.wer}"
    print(f"{run.title:28} {figures}", file=sys.stderr, flush=True)
