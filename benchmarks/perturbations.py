"""Words lost, doubled or invented when recordings are quiet, loud, fast, slow, far away, on the telephone and more.

Every recording is changed in every way and sent to the service, and what it hears is held against the reference:
three words in a row that are missing are lost, three that nobody said are invented, or doubled where they stand beside
themselves. A fault that the answer itself tells, in its warnings or in its coverage, is counted apart.
"""

from __future__ import annotations

import argparse
import io
import sys
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.recordings import CorpusRecording, load
from benchmarks.scoring import count_errors, word_error_rate
from benchmarks.service import Service
from benchmarks.sound_changes import SOUND_CHANGES, one_after_another
from benchmarks.text_faults import Faults, find_faults
from speech.audio import SAMPLE_RATE, Pcm

GROUPS = ("A-read", "A-telephone", "B-lang")
SPACED = frozenset(
    {"en", "de", "fr", "es", "it", "nl", "pl", "pt", "ru", "sv", "cs", "da", "fi", "hu", "no", "tr", "uk"}
)
SHORTEST = 2.0  # seconds
JOINED = "another one 0.3 s later"


@dataclass(frozen=True, slots=True)
class ChangedRecording:
    id: str
    language: str
    change: str
    pcm: Pcm
    reference: str


@dataclass(frozen=True, slots=True)
class HeardRecording:
    recording: ChangedRecording
    text: str
    faults: Faults
    told: bool  # by warnings or coverage


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    clips = [
        each for each in load(options.groups) if each.text and each.duration >= SHORTEST and each.language in SPACED
    ]
    clips = clips[:: max(1, len(clips) // options.recordings)][: options.recordings]
    with Service() as service:
        heard = [_hear(service, each) for each in changed(clips, options.changes)]
    tables = [_by_change(heard), _every_fault(heard)]
    data: dict[str, object] = {"texts": [[each.recording.id, each.recording.change, each.text] for each in heard]}
    command = report.command("perturbations", arguments)
    print(report.write(report.Report("perturbations", command, tables, {}, data), options.results).read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks perturbations", description=__doc__)
    parser.add_argument("--groups", nargs="*", default=list(GROUPS), help="groups of recordings")
    parser.add_argument("--recordings", type=int, default=40, help="how many of them, spread over the groups")
    parser.add_argument("--changes", nargs="*", default=[*SOUND_CHANGES, JOINED], help="ways to change them")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    return parser


def changed(clips: Sequence[CorpusRecording], changes: Sequence[str]) -> Iterator[ChangedRecording]:
    """Every clip in every way; joined to the next one, which somebody else says, maybe in another language."""
    for at, clip in enumerate(clips):
        text, language = clip.text or "", clip.language or ""
        for change in changes:
            if change == JOINED:
                other = clips[(at + 1) % len(clips)]
                pcm = one_after_another([clip.pcm, other.pcm], 0.3)
                yield ChangedRecording(f"{clip.id}+{other.id}", language, change, pcm, f"{text} {other.text}")
            else:
                yield ChangedRecording(clip.id, language, change, SOUND_CHANGES[change](clip.pcm), text)


def _hear(service: Service, recording: ChangedRecording) -> HeardRecording:
    form = {"diarize": "false"} if recording.change == JOINED else {"diarize": "false", "language": recording.language}
    answer = service.client.post("/v1/transcribe", files={"file": ("clip.wav", _wav(recording.pcm))}, data=form)
    answer.raise_for_status()
    transcript = answer.json()
    told = bool(transcript["warnings"] or transcript["coverage"]["gaps"])
    heard = HeardRecording(recording, transcript["text"], find_faults(recording.reference, transcript["text"]), told)
    if heard.faults:
        print(
            f"{recording.id}, {recording.change}: {heard.faults}{', told' if told else ''}", file=sys.stderr, flush=True
        )
    return heard


def _wav(pcm: Pcm) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(pcm.tobytes())
    return written.getvalue()


def _by_change(heard: Sequence[HeardRecording]) -> report.Table:
    rows = []
    for change in dict.fromkeys(each.recording.change for each in heard):
        here = [each for each in heard if each.recording.change == change]
        faulty = [each for each in here if each.faults]
        silent = [each for each in faulty if not each.told]
        errors = [count_errors(each.recording.reference, each.text, each.recording.language) for each in here]
        rows.append(
            (
                change,
                len(here),
                *(sum(len(getattr(each.faults, kind)) for each in here) for kind in ("lost", "doubled", "invented")),
                f"{len(faulty)}, {len(silent)} of them untold",
                str(word_error_rate(errors)),
            )
        )
    faulty = [each for each in heard if each.faults]
    silent = [each for each in faulty if not each.told]
    note = f"{len(faulty)} of {len(heard)} answers with a fault, {len(silent)} of them untold."
    columns = ("change", "answers", "lost", "doubled", "invented", "answers with faults", "word error rate, %")
    return report.Table("Runs of three words or more", columns, rows, note)


def _every_fault(heard: Sequence[HeardRecording]) -> report.Table:
    rows = [
        (each.recording.id, each.recording.change, kind, run, "yes" if each.told else "no")
        for each in heard
        for kind in ("lost", "doubled", "invented")
        for run in getattr(each.faults, kind)
    ]
    return report.Table("Every fault", ("recording", "change", "fault", "words", "told"), rows)
