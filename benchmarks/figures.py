"""What the committed results say, figure by figure: the lines of the overview and of the pages that name figures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS

SERVICE, ENGINE, FASTER = "this service, HTTP", "its engine alone", "faster-whisper int8, words"
PEER = "whisper_streaming"
FASTER_PLAIN, CPP = "faster-whisper int8", "whisper.cpp f16, words"


@dataclass(frozen=True, slots=True)
class Result:
    """One file of benchmarks/results."""

    name: str
    record: Mapping[str, Any]

    def rows(self, table: str) -> list[list[Any]]:
        """Of the table whose title begins so; none where the report lacks it."""
        return next((each["rows"] for each in self.record["tables"] if each["title"].startswith(table)), [])

    def table(self, title: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.record["tables"] if each["title"].startswith(title))
        return found

    def cell(self, table: str, row: str, column: str, after: int = 0) -> Any:
        """A value by the row's first cell and the column's name; `after`: so many columns behind that one."""
        columns = self.table(table)["columns"]
        return next(cells for cells in self.rows(table) if str(cells[0]) == row)[columns.index(column) + after]

    @property
    def processor(self) -> str:
        return str(self.record.get("machine", {}).get("processor", "machine not written down"))

    @property
    def conditions(self) -> str:
        machine = self.record.get("machine", {})
        return f"{self.processor}, load {machine['load']}" if "load" in machine else self.processor


@dataclass(frozen=True, slots=True)
class Figure:
    what: str
    ours: str
    beside: str  # the peer's, or the bound; "" where nothing was measured beside it
    result: Result = field(repr=False)


def load(folder: Path = RESULTS) -> dict[str, Result]:
    """Every result by its name."""
    files = sorted(folder.glob("*.json"))
    return {path.stem: Result(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in files}


def figures(results: Mapping[str, Result], *, performance: bool = False) -> list[Figure]:
    """In the order in which they are shown, all or those of speed and accuracy; without a result there is no figure."""
    lines = PERFORMANCE if performance else PERFORMANCE | OTHERS
    return [Figure(*line, results[name]) for name, told in lines.items() if name in results
            for line in told(results[name])]  # fmt: skip


def speed(result: Result, kind: str) -> tuple[float, float, float]:
    """Times real time, times as fast as faster-whisper with word times, and times as fast without them."""
    factors = [float(result.cell(kind, peer, "times this service's wall (least–most)").split()[0])
               for peer in (FASTER, FASTER_PLAIN)]  # fmt: skip
    return result.cell(kind, SERVICE, "× real time"), factors[0], factors[1]


def words_wrong(result: Result, kind: str, system: str) -> str:
    return f"{float(result.cell(kind, system, 'WER % (95 % interval)').split()[0]):.1f} %"


def _files(result: Result) -> Iterator[tuple[str, str, str]]:
    title = f"{result.table('Files')['title']}, {result.processor}"
    wall, (times, factor, plain) = "wall s", speed(result, "Files")
    ours = f"{result.cell('Files', SERVICE, wall):.1f} s over HTTP, {times:.0f} times real time, "
    ours += f"WER {words_wrong(result, 'Files', SERVICE)}"
    beside = f"faster-whisper int8, batch 8: {result.cell('Files', FASTER, wall):.1f} s, "
    beside += f"WER {words_wrong(result, 'Files', FASTER)}, **{factor:.1f} times slower**; "
    yield f"{title}, word times on", ours, beside + f"{plain:.1f} times without word times"
    cpp = ""
    if any(row[0] == CPP for row in result.rows("Files")):
        cpp = f"whisper.cpp f16: {result.cell('Files', CPP, wall):.0f} s, WER {words_wrong(result, 'Files', CPP)}"
    share = result.cell("Files", ENGINE, "times this service's processor s")
    yield "the same", f"{result.cell('Files', SERVICE, 'processor s'):.1f} CPU-seconds", cpp
    yield (
        "the engine alone, on the same windows",
        f"the service costs {100 / share - 100:.0f} % more CPU",
        "goal: at most 10 %",
    )


def _clips(result: Result) -> Iterator[tuple[str, str, str]]:
    times, factor, plain = speed(result, "Clips")
    ours = f"{times:.0f} times real time, WER {words_wrong(result, 'Clips', SERVICE)}"
    beside = f"faster-whisper: WER {words_wrong(result, 'Clips', FASTER)}, {factor:.1f} times slower; "
    yield result.table("Clips")["title"], ours, beside + f"{plain:.1f} times without word times; goal: 3.5"


def _profile(result: Result) -> Iterator[tuple[str, str, str]]:
    costs = {row[0]: row[3] for row in result.rows("Clips")}
    others = [f"{cost:.0f} ms as {name}" for name, cost in costs.items() if name != "wav"]
    goal = "goals: 20 ms as WAV, 50 ms as anything else"
    yield "a clip of 5 s over the engine, CPU", ", ".join([f"{costs['wav']:.0f} ms as WAV", *others]), goal
    words, speakers = (row[5] for row in result.rows("A recording"))
    ratio = result.cell("A recording", "with speakers, the default", "diarizer / Whisper")
    ours = f"{speakers / words:.2f} times words alone; diarizer {ratio:.2f} of Whisper"
    yield "the default request, with speakers, CPU", ours, "goals: 1.4 times, 0.4"


def _memory(result: Result) -> Iterator[tuple[str, str, str]]:
    peak = result.cell("One long file", "all", "at the peak") / 1000
    yield "memory, a file of two hours", f"gateway and Triton together {peak:.2f} GB at their peak", ""


def _diarization(result: Result) -> Iterator[tuple[str, str, str]]:
    rows = {(row[0], row[1]): row for row in result.rows("Diarization")}
    ours, theirs = rows["all", "this project"], rows.get(("all", "pyannote.audio 4"))
    error = f"pyannote.audio 4, same weights: {theirs[2]} %" if theirs else ""
    yield "who speaks when, DER", f"{ours[2]} %", error
    yield "words given to the right speaker", ours[6], f"pyannote.audio's turns: {theirs[6]}" if theirs else ""


def _streaming(result: Result) -> Iterator[tuple[str, str, str]]:
    lag = "Lag by sessions at once"
    columns = result.table(lag)["columns"]
    one = {row[0]: row for row in reversed(result.rows(lag)) if row[1] == 1}
    named = {"first words": "first partial p50", "final": "word final p50", "turn over": "end of turn p50"}

    def told(who: str) -> str:
        values = {name: float(one[who][columns.index(column)]) for name, column in named.items()}
        return ", ".join(f"{name} after {value:.2f} s" for name, value in values.items() if not math.isnan(value))

    theirs = f"its loop on faster-whisper: {told(PEER)}" if PEER in one else ""
    yield "live speech, one session, medians", told("this service"), f"{PEER}, {theirs}" if theirs else ""
    # No more than there were recordings to play at once.
    held = [min(row[1], row[2]) for row in result.rows(lag) if row[0] == "this service" and row[-1] == "yes"]
    yield "live sessions with 95 % of words shown within 2 s", f"{max(held, default=0)} at once", "goal: 12"


def _keyterms(result: Result) -> Iterator[tuple[str, str, str]]:
    plain, helped = result.rows("64 rare names")[:2]
    yield "rare names missed", f"{helped[1]} of {helped[2]} as key terms", f"{plain[1]} without"


def _perf_analyzer(result: Result) -> Iterator[tuple[str, str, str]]:
    best = max(result.rows("whisper-base"), key=lambda row: row[-1])
    yield "Triton's own load generator, clips", f"{best[1]:.1f} windows a second, {best[-1]:.0f} times real time", ""


def _limits(result: Result) -> Iterator[tuple[str, str, str]]:
    for row in result.rows("How far"):
        if row[6] and "1500" in row[0]:
            kind = "AVX2 forced" if result.name.endswith("avx2") else "all instructions"
            yield f"{row[0]}, {kind}", f"{row[1]:.1f} ms, {row[2]:.0f} Gop/s", f"{row[6]} of the machine's limit"


def _chaos(result: Result) -> Iterator[tuple[str, str, str]]:
    note = result.table("Requests")["note"].split(", of ")[0]
    lost = ", ".join(str(row[0]) for row in result.rows("Lost"))
    yield "while processes and machines fail", note, f"lost, charged wrongly or left behind: {lost}"


def _jobs(result: Result) -> Iterator[tuple[str, str, str]]:
    done = ", ".join(f"{row[1]} {row[0]}" for row in result.rows("Jobs"))
    lost = ", ".join(str(row[0]) for row in result.rows("Lost"))
    yield f"jobs ({result.name})", done, f"lost, charged wrongly or left behind: {lost}"


def _queue(result: Result) -> Iterator[tuple[str, str, str]]:
    rows = result.rows("POST /v1/transcribe")
    last = rows[-1]
    yield "a call while jobs wait", f"{last[2]:.2f} s ({last[0]})", f"{rows[0][2]:.2f} s ({rows[0][0]})"


def _page(result: Result) -> Iterator[tuple[str, str, str]]:
    paint = str(result.rows("First contentful paint")[0][0]).split()[0]
    yield "the web page's first paint, with three hours kept", f"{paint} ms", ""


Lines = dict[str, Callable[[Result], Iterator[tuple[str, str, str]]]]
PERFORMANCE: Lines = {
    "throughput-files": _files,
    "throughput-files-zen4": _files,
    "throughput-clips": _clips,
    "profile": _profile,
    "shares": _limits,
    "shares-avx2": _limits,
    "memory": _memory,
    "diarization": _diarization,
    "streaming": _streaming,
    "perf_analyzer": _perf_analyzer,
}
OTHERS: Lines = {
    "keyterms": _keyterms,
    "chaos": _chaos,
    "jobs-kills": _jobs,
    "jobs-kills-real": _jobs,
    "jobs-queue": _queue,
    "page": _page,
}
