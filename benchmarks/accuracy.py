"""Accuracy: words wrong by kind of recording, words invented where nobody speaks, languages recognised.

This service over HTTP against its peers on the same weights: whisper.cpp, and faster-whisper sequential with a beam of
5, batched, and batched without voice activity detection. What a peer heard is remembered, so a run that was ended goes
on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import report
from benchmarks.environments import PEERS_PYTHON
from benchmarks.pairs import Transcriber
from benchmarks.peers.contender import Contender, Outcome
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.remembered import Remembered
from benchmarks.peers.weights import ctranslate2_folder, ggml_file
from benchmarks.recordings import CorpusRecording, as_wav, load
from benchmarks.scoring import count_errors, invented_words, word_error_rate
from benchmarks.service import Service

GROUPS = {  # of the manifest → what is in it
    "A-read": "read English, single sentences",
    "A-command": "short commands",
    "A-telephone": "telephone prompts, 8 kHz",
    "D-long": "long files, English and French",
    "E-noisy-speech": "speech in noise, 20 to 0 dB",
    "C-sim": "simulated conversations of 2 to 8",
    "B-lang": "12 languages, 1 to 9 s",
}
PEERS = ("faster_whisper", "whisper_cpp")
SILENT = "E-nonspeech"
LANGUAGES = ("B-lang", "B-langid")


@dataclass(frozen=True)
class AccuracyEntrant:
    title: str
    transcriber: Transcriber
    vad: bool = True


@dataclass(frozen=True)
class ScoredOutcome:
    """One contender's answer for one recording; empty when it failed."""

    recording: CorpusRecording
    outcome: Outcome


HeardByEntrant = dict[str, list[ScoredOutcome]]


@dataclass(frozen=True)
class AccuracyPart:
    name: str
    recordings: Sequence[CorpusRecording]
    given: bool  # whether the contenders are told the language
    entries: Sequence[AccuracyEntrant]
    tabulate: Callable[[HeardByEntrant], report.Table]


def main(arguments: Sequence[str]) -> int:
    """Writes the report again whenever a contender has heard all of a part: what was ended early keeps what it has."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        entries, versions = _contenders(stack, options)
        command = report.command("accuracy", arguments)
        heard: dict[str, HeardByEntrant] = {}
        parts = _parts(entries, options)
        for part in parts:
            for entry in part.entries:
                heard.setdefault(part.name, {})[entry.title] = _listen(entry, part.recordings, given=part.given)
                ended = [each for each in parts if each.name in heard]
                tables = [each.tabulate(heard[each.name]) for each in ended]
                data: dict[str, object] = {each.name: _plain(heard[each.name]) for each in ended}
                page = report.write(report.Report("accuracy", command, tables, versions, data), options.results)
    print(page.read_text())
    return 0


def _parts(entries: Sequence[AccuracyEntrant], options: argparse.Namespace) -> list[AccuracyPart]:
    """Without voice activity detection a peer only shows what it invents where nobody speaks."""
    most, usual = options.recordings, [entry for entry in entries if entry.vad]
    foreign = some([each for each in load(LANGUAGES) if each.language], most)
    silent = [as_wav(each) for each in load([SILENT])]
    return [
        AccuracyPart("words", some(_spoken(options.groups), most), True, usual, _word_errors),
        AccuracyPart("silent", silent, False, entries, _invented),
        AccuracyPart("languages", foreign, False, usual, _languages),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks accuracy", description=__doc__)
    parser.add_argument("--groups", nargs="*", default=list(GROUPS), help="groups of recordings to score")
    parser.add_argument("--recordings", type=int, default=0, help="of each group at most, spread over it (0: all)")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="none: this service alone")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    return parser


def _contenders(stack: ExitStack, options: argparse.Namespace) -> tuple[list[AccuracyEntrant], dict[str, str]]:
    entries = [AccuracyEntrant("this service", stack.enter_context(Service()))]
    versions: dict[str, str] = {}
    if "faster_whisper" in options.peers:
        faster = Remembered(stack.enter_context(Contender("faster_whisper", ctranslate2_folder(), PEERS_PYTHON)))
        one_by_one = Contender("faster_whisper_sequential", ctranslate2_folder(), PEERS_PYTHON)
        sequential = Remembered(stack.enter_context(one_by_one))
        entries.append(AccuracyEntrant("faster-whisper int8, sequential, beam 5", sequential))
        entries.append(AccuracyEntrant("faster-whisper int8, batched", faster))
        entries.append(AccuracyEntrant("faster-whisper int8, batched, no VAD", faster, vad=False))
        versions |= faster.contender.versions
    if "whisper_cpp" in options.peers:
        cpp = Remembered(stack.enter_context(Contender("whisper_cpp", ggml_file(), PEERS_PYTHON)))
        entries.append(AccuracyEntrant("whisper.cpp f16", cpp))
        versions |= cpp.contender.versions
    return entries, versions


def _spoken(groups: Sequence[str]) -> list[CorpusRecording]:
    return [recording for recording in load(groups) if recording.text]


def some(recordings: Sequence[CorpusRecording], most: int) -> list[CorpusRecording]:
    """At most so many of each group, evenly spread over it; 0: all."""
    chosen: list[CorpusRecording] = []
    for group in dict.fromkeys(each.group for each in recordings):
        members = [each for each in recordings if each.group == group]
        count = min(most or len(members), len(members))
        chosen += [as_wav(members[at * len(members) // count]) for at in range(count)]
    return chosen


def _listen(entry: AccuracyEntrant, recordings: Sequence[CorpusRecording], *, given: bool) -> list[ScoredOutcome]:
    """The contender on every recording, told the language or not."""
    heard = []
    for recording in recordings:
        language = recording.language or "" if given else ""
        try:
            outcome = entry.transcriber.transcribe(recording, words=False, language=language, vad=entry.vad)
        except PeerFailed as failure:
            print(f"{entry.title}, {recording.id}: {failure}", file=sys.stderr)
            outcome = Outcome("", "", 0.0, 0.0)
        heard.append(ScoredOutcome(recording, replace(outcome, words=())))
    print(f"{entry.title}: {len(heard)} recordings", file=sys.stderr, flush=True)
    return heard


def _word_errors(heard: HeardByEntrant) -> report.Table:
    present = [group for group in GROUPS if any(each.recording.group == group for each in next(iter(heard.values())))]
    rows = [
        (
            group,
            GROUPS[group],
            *(_rate([each for each in found if each.recording.group == group]) for found in heard.values()),
        )
        for group in present
    ]
    note = "Language given. Whisper's normaliser; Chinese and Japanese by character. 95 % interval over recordings."
    return report.Table("Word error rate, %", ("group", "what", *heard), rows, note)


def _rate(heard: Sequence[ScoredOutcome]) -> str:
    errors = [count_errors(each.recording.text or "", each.outcome.text, each.recording.language) for each in heard]
    return str(word_error_rate(errors))


def _invented(heard: HeardByEntrant) -> report.Table:
    rows = []
    for title, found in heard.items():
        counts = [invented_words(each.outcome.text) for each in found]
        said = "; ".join(f"“{each.outcome.text[:40]}”" for each in found if each.outcome.text.strip())
        rows.append((title, f"{sum(count > 0 for count in counts)} of {len(counts)}", sum(counts), said))
    return report.Table("Words where nobody speaks", ("system", "clips with words", "words", "which"), rows)


def _languages(heard: HeardByEntrant) -> report.Table:
    columns = [
        f"{group}, {len([each for each in next(iter(heard.values())) if each.recording.group == group])} clips"
        for group in LANGUAGES
    ]
    rows = []
    for title, found in heard.items():
        cells = []
        for group in LANGUAGES:
            right = [
                each.outcome.language == each.recording.language for each in found if each.recording.group == group
            ]
            cells.append(f"{sum(right)} ({sum(right) / len(right):.1%})")
        rows.append((title, *cells))
    return report.Table("Language recognised", ("system", *columns), rows, "Language not given.")


def _plain(heard: HeardByEntrant) -> dict[str, dict[str, list[object]]]:
    """By system and recording: wrong words, words of the reference, language."""
    return {
        title: {
            each.recording.id: [errors.edits, errors.words, each.outcome.language]
            for each in found
            for errors in [count_errors(each.recording.text or "", each.outcome.text, each.recording.language)]
        }
        for title, found in heard.items()
    }
