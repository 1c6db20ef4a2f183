"""Word confidence: fitted on one half of the recordings, and how far it can be relied on in the other half.

The service hears every recording with a model that is not calibrated, each word is marked right or wrong by the
reference, and Platt's scaling is fitted. The report ends with the entry for export/calibrations.toml.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import report
from benchmarks.recordings import CorpusRecording, as_wav, load
from benchmarks.reliability import (
    Confidences,
    Marks,
    bins,
    brier_score,
    calibration_error,
    fit,
    interval,
)
from benchmarks.reliability_curve import draw_curve
from benchmarks.service import Service
from benchmarks.word_marks import mark_words
from speech.installation import model_repository
from speech.whisper.calibration import Calibration
from speech.whisper.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest

GROUPS = ("A-read", "A-command", "A-telephone", "B-lang", "E-noisy-speech")
CURVE = "reliability.svg"
FEW = 50  # words of a language that say little by themselves
DOUBTFUL = (0.3, 0.4, 0.5, 0.6, 0.7)  # confidences of segments


@dataclass(frozen=True)
class HeardSegment:
    probabilities: Confidences
    right: Marks

    def calibrated(self, calibration: Calibration) -> Confidences:
        return np.array([calibration.confidence(float(each)) for each in self.probabilities])


@dataclass(frozen=True)
class HeardWords:
    """The words of a recording that can be right or wrong."""

    recording: CorpusRecording
    segments: tuple[HeardSegment, ...]

    @property
    def probabilities(self) -> Confidences:
        return np.concatenate([each.probabilities for each in self.segments] or [np.zeros(0)])

    @property
    def right(self) -> Marks:
        return np.concatenate([each.right for each in self.segments] or [np.zeros(0, dtype=bool)])


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    recordings = [as_wav(each) for each in load(options.groups) if each.text]
    with uncalibrated(model_repository(), options.model) as (repository, manifest):
        settings = {
            "STT_TRITON_REPOSITORY": str(repository),
            "STT_RECOGNITION_MODELS": options.model,
            "STT_RECOGNITION_STAND_IN": options.model,
        }
        with Service(settings=settings) as service:
            heard = [_hear(service, each, options.model) for each in recordings]
    first, second = halves([each for each in heard if len(each.right)])
    calibration = fit(_all(first)[0], _all(first)[1])
    raw, right = _all(second)
    curve = options.results / CURVE
    shown = np.array([calibration.confidence(float(each)) for each in raw])
    curve.parent.mkdir(parents=True, exist_ok=True)
    curve.write_text(draw_curve(bins(raw, right), bins(shown, right)), encoding="utf-8")
    tables = [
        _errors(second, calibration),
        _by_language(second, calibration),
        _curve_table(raw, shown, right),
        _segments(second, calibration),
    ]
    data: dict[str, object] = {"calibration": _entry(manifest, calibration)}
    command = report.command("calibration", arguments)
    print(report.write(report.Report("calibration", command, tables, {}, data), options.results).read_text())
    print("[[calibration]]", *(f"{key} = {value!r}" for key, value in _entry(manifest, calibration).items()), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks calibration", description=__doc__)
    parser.add_argument("--model", default="base", help="of the models that are exported")
    parser.add_argument("--groups", nargs="*", default=list(GROUPS), help="groups of recordings")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report and the curve")
    return parser


@contextmanager
def uncalibrated(repository: Path, model: str) -> Iterator[tuple[Path, Manifest]]:
    """A repository of this one model whose manifest holds no calibration, and that manifest."""
    folder = repository / f"whisper-{model}"
    manifest = replace(read_manifest(folder / "1"), calibration=None)
    with tempfile.TemporaryDirectory(prefix="stt-uncalibrated-") as name:
        copy = Path(name) / folder.name
        (copy / "1").mkdir(parents=True)
        (copy / "config.pbtxt").symlink_to(folder / "config.pbtxt")
        for path in (folder / "1").iterdir():
            if path.name != MANIFEST_FILE and path.is_file():
                (copy / "1" / path.name).symlink_to(path)
        write_manifest(manifest, copy / "1")
        yield Path(name), manifest


def _hear(service: Service, recording: CorpusRecording, model: str) -> HeardWords:
    answer = service.post(recording.path, language=recording.language or "auto", model=model)
    answer.raise_for_status()
    pieces = [piece["words"] for piece in answer.json()["segments"]]
    marks = iter(mark_words(recording.text or "", [w["word"] for words in pieces for w in words], recording.language))
    segments = []
    for words in pieces:
        marked = [(word["confidence"], mark) for word, mark in zip(words, marks, strict=False)]
        kept = [(probability, mark) for probability, mark in marked if mark is not None]
        if kept:
            segments.append(HeardSegment(np.array([p for p, _ in kept]), np.array([m for _, m in kept], dtype=bool)))
    print(f"{recording.id}: {sum(len(each.right) for each in segments)} words", file=sys.stderr, flush=True)
    return HeardWords(recording, tuple(segments))


def halves(heard: Sequence[HeardWords]) -> tuple[list[HeardWords], list[HeardWords]]:
    """Every other recording of each group."""
    groups = dict.fromkeys(each.recording.group for each in heard)
    ordered = [each for group in groups for each in heard if each.recording.group == group]
    return ordered[::2], ordered[1::2]


def _all(heard: Sequence[HeardWords]) -> tuple[Confidences, Marks]:
    return np.concatenate([each.probabilities for each in heard]), np.concatenate([each.right for each in heard])


def _errors(held_out: Sequence[HeardWords], calibration: Calibration) -> report.Table:
    rows = []
    for title, scaled in (("mean token probability", None), ("calibrated", calibration)):
        pairs = [
            (
                each.probabilities
                if scaled is None
                else HeardSegment(each.probabilities, each.right).calibrated(scaled),
                each.right,
            )
            for each in held_out
        ]
        confidences, right = np.concatenate([c for c, _ in pairs]), np.concatenate([r for _, r in pairs])
        low, high = interval(pairs)
        error = calibration_error(confidences, right)
        rows.append((title, f"{error:.3f} ({low:.3f}–{high:.3f})", f"{brier_score(confidences, right):.3f}"))
    right = np.concatenate([each.right for each in held_out])
    note = f"{len(held_out)} recordings held out, {len(right)} words, {right.mean():.1%} right. "
    note += f"Fitted on {calibration.words} words of the others. 95 % interval over recordings."
    return report.Table("Error", ("confidence", "expected calibration error", "Brier score"), rows, note)


def _by_language(held_out: Sequence[HeardWords], calibration: Calibration) -> report.Table:
    """Of those with some words, the rest together."""
    words: dict[str, list[HeardWords]] = {}
    for each in held_out:
        words.setdefault(each.recording.language or "", []).append(each)
    few = [code for code, heard in words.items() if sum(len(each.right) for each in heard) < FEW]
    named = {code: heard for code, heard in words.items() if code not in few}
    named["others"] = [each for code in few for each in words[code]]
    rows = []
    for code, heard in named.items():
        if heard:
            raw, right = _all(heard)
            shown = HeardSegment(raw, right).calibrated(calibration)
            rows.append((code, len(right), f"{right.mean():.2f}", f"{raw.mean():.2f}", f"{shown.mean():.2f}"))
    columns = ("language", "words", "right", "mean token probability", "calibrated")
    return report.Table("By language", columns, rows)


def _curve_table(raw: Confidences, shown: Confidences, right: Marks) -> report.Table:
    rows = [
        (title, f"{each.confidence:.2f}", f"{each.right:.2f}", each.words)
        for title, confidences in (("mean token probability", raw), ("calibrated", shown))
        for each in bins(confidences, right)
    ]
    return report.Table("Reliability", ("confidence", "mean in the bin", "share of right words", "words"), rows)


def _segments(held_out: Sequence[HeardWords], calibration: Calibration) -> report.Table:
    segments = [piece for each in held_out for piece in each.segments]
    wrong = sum(int(np.sum(~piece.right)) for piece in segments)
    rows = []
    for threshold in DOUBTFUL:
        told = [piece for piece in segments if piece.calibrated(calibration).mean() < threshold]
        words = sum(len(piece.right) for piece in told)
        missed = sum(int(np.sum(~piece.right)) for piece in told)
        rows.append((threshold, f"{len(told)} of {len(segments)}", f"{missed} of {words}", f"{missed / wrong:.0%}"))
    columns = ("told below", "segments", "words wrong in them", "of all wrong words")
    return report.Table("Doubtful segments, calibrated", columns, rows)


def _entry(manifest: Manifest, calibration: Calibration) -> dict[str, object]:
    """As in export/calibrations.toml."""
    return {
        "model": manifest.id,
        "weights": manifest.source.sha256,
        "target": manifest.target,
        "precision": manifest.precision["encoder"],
        "slope": calibration.slope,
        "offset": calibration.offset,
        "words": calibration.words,
    }
