"""Where each processor second goes: of the default request, of a clip and of a live session.

The kernel counts the time of each process, py-spy's samples divide it among the functions, and the machine's own limits
are measured in the same run. `--avx2`: the same with kernels for a CPU that has AVX2 and nothing newer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import limits, report
from benchmarks.older_cpu import haswell
from benchmarks.playback import play
from benchmarks.processes import ended_children_seconds, part_processes, processor_parts
from benchmarks.recordings import CorpusRecording, join, load, write_wav
from benchmarks.sampling import DIARIZER, GATEWAY, WHISPER, sampled
from benchmarks.service import Service
from speech.audio import SAMPLE_RATE

CORES = 2
CLIP = 5  # seconds
CHILDREN = "ffmpeg"
PROCESSES = {"gateway": GATEWAY, "whisper-base": WHISPER, "diarizer": DIARIZER}
LIMITED = {("whisper-base", "encoder"): "encoder, 2 windows, 1500", ("whisper-base", "decoder"): "decoder step, 4"}

Cost = dict[tuple[str, str], float]  # processor seconds by process and part


@dataclass(frozen=True, slots=True)
class Workload:
    title: str
    seconds: float  # of audio
    run: Callable[[], None]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    settings = haswell() if options.avx2 else {}
    machine = limits.measure(settings)
    service = Service(settings={"STT_DIARIZATION_DEPLOYED": "true"} | settings)
    with TemporaryDirectory() as folder, service:
        workloads = _workloads(service, Path(folder), options)
        costs = [_cost(service, workload) for workload in workloads]
    table = _table(workloads, costs, machine)
    name = "shares-avx2" if options.avx2 else "shares"
    result = report.Report(
        name, report.command("shares", arguments), [table, *machine.tables], machine.versions, machine.data
    )
    print(report.write(result, options.results).read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks shares", description=__doc__)
    parser.add_argument("--avx2", action="store_true", help="kernels for a CPU with AVX2 and nothing newer")
    parser.add_argument("--seconds", type=float, default=180.0, help="of the recording of the default request")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--live", type=float, default=40.0, help="seconds that the live session lasts at least")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    return parser


def _workloads(service: Service, folder: Path, options: argparse.Namespace) -> list[Workload]:
    read = [recording for recording in load(["A-read"]) if recording.language == "en"]
    whole, live = (_joined(read, seconds) for seconds in (options.seconds, options.live))
    long = [recording for recording in read if recording.duration >= CLIP][: options.clips]
    clips = [write_wav(each.pcm[: CLIP * SAMPLE_RATE], folder / f"{each.id}.wav") for each in long]
    url = f"ws://127.0.0.1:{service.port}/v1/stream"
    workloads = [
        Workload("default request", whole.duration, lambda: _post(service, [whole.path], "true")),
        Workload(f"clips of {CLIP} s (WAV, words alone)", CLIP * len(clips), lambda: _post(service, clips, "false")),
        Workload("live session", live.duration, lambda: asyncio.run(_speak(url, live))),
    ]
    _post(service, clips[:2], "true")  # code is loaded, connections are made
    return workloads


def _joined(read: Sequence[CorpusRecording], seconds: float) -> CorpusRecording:
    count, total = 0, 0.0
    while total < seconds and count < len(read):
        total, count = total + read[count].duration, count + 1
    return join(read[:count], f"a-read-{seconds:.0f}")


def _post(service: Service, paths: Sequence[Path], diarize: str) -> None:
    for path in paths:
        service.post(path, language="en", diarize=diarize).raise_for_status()


async def _speak(url: str, recording: CorpusRecording) -> None:
    await play(url, recording, {"language": "en"})


def _cost(service: Service, workload: Workload) -> Cost:
    root = service.process.pid
    running = part_processes(root)
    before, children = processor_parts(root), ended_children_seconds(root)
    with sampled({name: (running[name], parts) for name, parts in PROCESSES.items()}) as samples:
        workload.run()
        spent = {name: after - before.get(name, 0.0) for name, after in processor_parts(root).items()}
        started = ended_children_seconds(root) - children
    spent["gateway"] -= started
    cost: Cost = {("gateway", CHILDREN): started, ("tritonserver", "all"): spent.get("tritonserver", 0.0)}
    for name in PROCESSES:
        for part, share in samples[name].shares().items():
            cost[name, part] = spent[name] * share
    return cost


def _table(workloads: Sequence[Workload], costs: Sequence[Cost], machine: limits.MachineLimits) -> report.Table:
    keys = sorted({key for cost in costs for key in cost}, key=lambda key: -costs[0].get(key, 0.0))
    names = {name: number for number, name in enumerate(("whisper-base", "diarizer", "tritonserver", "gateway"))}
    rows: list[list[object]] = []
    for process, part in sorted(keys, key=lambda key: names[key[0]]):
        cells = [_cell(cost, workload, (process, part)) for cost, workload in zip(costs, workloads, strict=True)]
        reached = machine.reached(LIMITED[process, part]) if (process, part) in LIMITED else "–"
        rows.append([f"{process}: {part}", *cells, reached])
    sums = [sum(cost.values()) for cost in costs]
    each = [f"{1000 * all / workload.seconds:.1f} ms" for all, workload in zip(sums, workloads, strict=True)]
    rows.append(["all", *each, ""])
    columns = ("process and part", *(workload.title for workload in workloads), "of the machine's limit")
    audio = ", ".join(f"{workload.seconds:.0f} s" for workload in workloads)
    note = f"Processor milliseconds of a second of audio, and the share of the request; of {audio} of read English. "
    note += "Limit: see below; of the encoder at 30 s, of the decoder with 4 sequences at once."
    return report.Table("Where the processor time goes", columns, rows, note)


def _cell(cost: Cost, workload: Workload, key: tuple[str, str]) -> str:
    spent = cost.get(key, 0.0)
    return f"{1000 * spent / workload.seconds:.2f} ms, {spent / sum(cost.values()):.0%}"
