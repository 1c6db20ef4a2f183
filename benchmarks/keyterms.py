"""Key terms: how many rare names are written right with and without them, and what it costs the other words.

The sentences are spoken by espeak-ng (Debian's package), so that the set needs no recordings; other words are also
measured on read speech, with all terms asked for and none of them said.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from benchmarks import report
from benchmarks.recordings import load
from benchmarks.scoring import count_errors
from speech.audio import SAMPLE_RATE, Pcm
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.serving import ServingOptions, open_engine
from speech.whisper.tokenizer import Tokenizer

DATA = Path(__file__).parent / "data" / "keyterms.toml"
FOLDER = Path(__file__).parents[1] / "model_repository" / "whisper-base" / "1"
NAME = "\0"  # in the place of the name
WORDS_A_MINUTE = "150"
READ_GROUP = "A-read"
LONGEST = 29.0  # seconds of a recording that is one window


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    term: str  # "" in recordings, where none is said
    text: str
    pcm: Pcm


@dataclass(frozen=True, slots=True)
class TermScore:
    terms: int  # said
    missed: int
    words: int  # others
    errors: int  # edits of them

    @property
    def missed_percent(self) -> float:
        return 100 * self.missed / max(1, self.terms)

    @property
    def error_percent(self) -> float:
        return 100 * self.errors / max(1, self.words)


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    pairs = [(str(term), str(text)) for term, text in data[options.set]]
    spoken = [speak(term, text, data["voices"][at % len(data["voices"])]) for at, (term, text) in enumerate(pairs)]
    corpus = [each for each in load([READ_GROUP]) if each.duration < LONGEST and each.text][: options.read]
    read = [SpokenSentence("", each.text or "", decoded(each.path.read_bytes())) for each in corpus]
    terms = tuple(term for term, _ in pairs)
    without = [transcribe(options.folder, each, ()) for each in (spoken, read)]
    biased = [transcribe(options.folder, each, terms) for each in (spoken, read)]
    table = report.Table(
        f"{len(terms)} rare names, base on a CPU",
        ["", "names missed", "of", "%", "other words wrong", "of", "%"],
        [
            [*_row(f"{kind}, {name}", score(sentences, heard))]
            for kind, at, sentences in (("sentences with a name", 0, spoken), ("read speech without", 1, read))
            for name, heard in (("no key terms", without[at]), ("all as key terms", biased[at]))
            if sentences
        ],
    )
    print(table.markdown())
    if options.save:
        report.write(report.Report("keyterms", report.command("keyterms", arguments), [table]))
    return 0


def speak(term: str, text: str, voice: str) -> SpokenSentence:
    """Exits where espeak-ng is not installed."""
    command = ["espeak-ng", "-v", voice, "-s", WORDS_A_MINUTE, "--stdout", text]
    try:
        made = subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        sys.exit("espeak-ng is not installed: apt install espeak-ng")
    return SpokenSentence(term, text, decoded(made.stdout))


def decoded(sound: bytes) -> Pcm:
    """Any file → int16 (n,), 16 kHz mono."""
    raw = ("-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "-", *raw]
    return np.frombuffer(subprocess.run(command, input=sound, check=True, capture_output=True).stdout, np.int16)


def transcribe(folder: Path, sentences: Sequence[SpokenSentence], keyterms: tuple[str, ...]) -> list[str]:
    """What the model writes, each sentence one window."""
    engine = open_engine(folder, ServingOptions())
    scheduler = Scheduler(engine, Tokenizer.load(folder))
    try:
        asked = [scheduler.submit(Request(each.pcm, "en", keyterms=keyterms)) for each in sentences]
        return [future.result().text for future in asked]
    finally:
        scheduler.close()


def score(sentences: Sequence[SpokenSentence], heard: Sequence[str]) -> TermScore:
    """A name counts as written where all of it is, whatever its case and marks; the other words by edits."""
    missed = words = errors = terms = 0
    for sentence, text in zip(sentences, heard, strict=True):
        if sentence.term:
            terms += 1
            missed += plain(sentence.term) not in plain(text).split()
        counted = _errors_beside(sentence, text)
        words += counted[0]
        errors += counted[1]
    return TermScore(terms, missed, words, errors)


def _errors_beside(sentence: SpokenSentence, heard: str) -> tuple[int, int]:
    """Words that are no name, and edits of them. What stands in a name's place is not counted."""
    if not sentence.term:
        counted = count_errors(sentence.text, heard)
        return counted.words, counted.edits
    before, after = (plain(part).split() for part in sentence.text.split(sentence.term, 1))
    said, got = [*before, NAME, *after], plain(heard).split()
    edits = 0
    for kind, first, stop, start, end in SequenceMatcher(a=said, b=got, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        wrong = said[first:stop]
        named = NAME in wrong
        lost, made = len(wrong) - named, end - start
        edits += max(lost, 0 if named else made)
    return len(said) - 1, edits


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", text.lower()).split())


def _row(name: str, scored: TermScore) -> list[str]:
    missed = [str(scored.missed), str(scored.terms), f"{scored.missed_percent:.1f}"] if scored.terms else ["", "", ""]
    return [name, *missed, str(scored.errors), str(scored.words), f"{scored.error_percent:.2f}"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks keyterms", description=__doc__)
    parser.add_argument("--set", choices=("development", "held_out"), default="held_out", help="of sentences")
    parser.add_argument("--read", type=int, default=1000, metavar="N", help="recordings of read speech at most")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="the model's engines")
    parser.add_argument("--save", action="store_true", help="as benchmarks/results/keyterms")
    return parser
