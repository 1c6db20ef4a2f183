"""Diarization: error rate, count of speakers, words with the right speaker and cost, beside pyannote.audio.

Both hear the same recordings in one run with the same weights, interleaved. Thresholds were tuned on the
recordings of TUNED; the others are reported apart.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.environments import PROJECT, PYANNOTE_PYTHON, SERVICE_PYTHON
from benchmarks.recordings import CorpusRecording, load
from benchmarks.turn_scoring import DiarizationErrors, SpokenTurn, diarization_errors, right_words, words_of

GROUPS = ("C-meeting", "C-conv", "C-sim")
TUNED = ("ami-trn01", "ami-trn03", "ami-trn05", "ami-dev00", "falcon-test", "sim3a", "sim8a", "ff-cs-barrel")
OURS, GRAPHS, PYANNOTE, TRUTH = "this project", "its graphs in ONNX Runtime", "pyannote.audio 4", "reference turns"
DRAWS = 2000  # of the bootstrap over recordings
COLLAR = 0.25  # seconds


@dataclass
class DiarizationScore:
    exact: DiarizationErrors = field(default_factory=DiarizationErrors)
    lenient: DiarizationErrors = field(default_factory=DiarizationErrors)  # ±COLLAR
    counted: int = 0  # recordings whose number of speakers is right
    recordings: int = 0
    right: int = 0
    words: int = 0
    cpu: float = 0.0  # seconds
    audio: float = 0.0  # seconds
    # Of each recording: seconds of errors, seconds spoken, words right, words.
    each: list[tuple[float, float, int, int]] = field(default_factory=list)

    def row(self) -> list[object]:
        words = f"{100 * self.right / self.words:.1f} %" if self.words else "–"
        cost = f"{self.cpu / self.audio:.3f}" if self.cpu else "–"
        return [
            f"{self.exact.rate:.1f}",
            f"{self.lenient.rate:.1f}",
            f"{100 * self.exact.confused / max(self.exact.spoken, 1e-9):.1f}",
            f"{self.counted} of {self.recordings}",
            words,
            cost,
        ]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    scores: dict[tuple[str, str], DiarizationScore] = {}
    with ExitStack() as stack:
        diarizers = {OURS: stack.enter_context(_ours(options)), GRAPHS: stack.enter_context(_ours(options, "onnx"))}
        if options.pyannote.is_dir() and options.python.exists():
            diarizers[PYANNOTE] = stack.enter_context(_pyannote(options))
        else:
            print(f"without pyannote.audio: {options.python} or {options.pyannote} is missing", file=sys.stderr)
        for recording in load(GROUPS):
            if recording.rttm is None:
                continue
            half = "tuned" if recording.id in TUNED else "held out"
            for name, turns, cpu in _listen(diarizers, recording):
                for group in (recording.group, half, "all"):
                    _add(scores.setdefault((group, name), DiarizationScore()), recording, turns, cpu)
    rows = [
        [group, name, *score.row(), *differences(score.each, scores[group, OURS].each)]
        for (group, name), score in sorted(scores.items())
    ]
    columns = [
        "recordings", "diarizer", "DER", "DER ±0.25 s", "confusion", "count right", "words right", "CPU-s per s",
        "DER less this project's (95 %)", "words right less this project's (95 %)",
    ]  # fmt: skip
    note = f"DER in percent, overlap included. Tuned on {', '.join(TUNED)}; nothing was tuned on the held-out ones."
    table = report.Table("Diarization", columns, rows, note)
    result = report.Report("diarization", report.command("diarization", arguments), [table])
    print(report.write(result, options.results).read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks diarization", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--graphs", type=Path, default=PROJECT / "model_repository" / "diarizer" / "1")
    parser.add_argument("--pyannote", type=Path, default=PROJECT / "var" / "pyannote", help="its weights")
    parser.add_argument("--python", type=Path, default=PYANNOTE_PYTHON, help="of pyannote.audio's environment")
    parser.add_argument("--service-python", type=Path, default=SERVICE_PYTHON)
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    return parser


class DiarizerProcess:
    """A process with one JSON request a line in and one answer a line out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._read()

    def turns(self, pcm: Path) -> tuple[list[SpokenTurn], float]:
        """The turns and the processor seconds that they took."""
        assert self._process.stdin is not None
        print(json.dumps({"pcm": str(pcm), "speakers": 0}), file=self._process.stdin, flush=True)
        answer = self._read()
        if "error" in answer:
            print(f"{pcm.stem}: {answer['error']}", file=sys.stderr)
        return [SpokenTurn(name, start, end) for start, end, name in answer.get("turns", [])], answer.get("cpu", 0.0)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a diarizer ended with exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def _started(command: Sequence[str | Path], threads: int, execution: str = "cpu") -> Iterator[DiarizerProcess]:
    environment = os.environ | {
        "DIARIZER_THREADS": str(threads),
        "DIARIZER_EXECUTION": execution,
        "OMP_NUM_THREADS": str(threads),
    }
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment, text=True, cwd=PROJECT,
    )  # fmt: skip
    try:
        yield DiarizerProcess(process)
    finally:
        process.terminate()
        process.wait()


def _ours(options: argparse.Namespace, execution: str = "cpu") -> Any:
    command = [options.service_python, "-m", "benchmarks.peers.diarizer", options.graphs]
    return _started(command, options.threads, execution)


def _pyannote(options: argparse.Namespace) -> Any:
    worker = PROJECT / "speech" / "diarization" / "pyannote_worker.py"
    return _started([options.python, worker, options.pyannote], options.threads)


def _listen(
    diarizers: dict[str, DiarizerProcess], recording: CorpusRecording
) -> Iterator[tuple[str, list[SpokenTurn], float]]:
    with tempfile.TemporaryDirectory() as folder:
        pcm = Path(folder) / f"{recording.id}.pcm"
        recording.pcm.tofile(pcm)
        for name, diarizer in diarizers.items():
            turns, cpu = diarizer.turns(pcm)
            yield name, turns, cpu
    yield TRUTH, reference_turns(recording), 0.0


def reference_turns(recording: CorpusRecording) -> list[SpokenTurn]:
    assert recording.rttm is not None
    lines = [line.split() for line in recording.rttm.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [SpokenTurn(line[7], float(line[3]), float(line[3]) + float(line[4])) for line in lines]


def _add(score: DiarizationScore, recording: CorpusRecording, found: list[SpokenTurn], cpu: float) -> None:
    reference = reference_turns(recording)
    exact = diarization_errors(reference, found)
    score.exact += exact
    score.lenient += diarization_errors(reference, found, COLLAR)
    score.recordings += 1
    score.counted += len({turn.speaker for turn in found}) == len({turn.speaker for turn in reference})
    score.cpu += cpu
    score.audio += recording.duration
    assert recording.rttm is not None
    segments = recording.rttm.with_suffix(".segments.json")
    words = words_of(json.loads(segments.read_text(encoding="utf-8"))) if segments.exists() else []
    right = right_words(words, found) if words else 0
    score.words += len(words)
    score.right += right
    score.each.append((exact.missed + exact.invented + exact.confused, exact.spoken, right, len(words)))


def differences(one: Sequence[tuple[float, ...]], other: Sequence[tuple[float, ...]]) -> tuple[str, str]:
    """In points of DER and of words, with the interval of a bootstrap over recordings that both have.

    one, other: of each recording, seconds of errors, seconds spoken, words right, words
    """
    if one == other:
        return "–", "–"
    pairs = np.array([one, other], float)
    drawn = np.random.default_rng(0).integers(0, len(one), (DRAWS, len(one)))
    return _difference(pairs[:, :, :2], drawn), _difference(pairs[:, :, 2:], drawn)


def _difference(pairs: NDArray[np.float64], drawn: NDArray[np.int_]) -> str:
    """pairs: (2, recordings, 2), a part and its whole"""
    if not pairs[..., 1].any():
        return "–"
    part, whole = pairs.sum(axis=1).T
    found = np.subtract(*(100 * part / whole))
    sums = pairs[:, drawn].sum(axis=2)
    low, high = np.percentile(np.subtract(*(100 * sums[..., 0] / np.maximum(sums[..., 1], 1e-9))), (2.5, 97.5))
    return f"{found:+.2f} ({low:+.2f} to {high:+.2f})"
