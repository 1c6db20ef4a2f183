"""Contenders in turn: the order of runs and the ratios made of them."""

from pathlib import Path

import pytest

pytest.importorskip("jiwer", reason="scoring needs the benchmarks' environment (make benchmarks)")

from benchmarks.pairs import Entrant, interleave, ratio
from benchmarks.peers.contender import Outcome
from benchmarks.recordings import CorpusRecording


class Paced:
    """Takes as many seconds as its pace says, and hears everything right."""

    def __init__(self, name: str, paces: list[float], diary: list[str]) -> None:
        self.name = name
        self.paces = [paces[0], *paces]  # the first is the warm-up's
        self.diary = diary

    def transcribe(self, recording: CorpusRecording, *, words: bool, language: str = "", vad: bool = True) -> Outcome:
        self.diary.append(self.name)
        return Outcome(recording.text or "", language, self.paces.pop(0), 1.0)


def test_rounds_alternate_and_the_median_ratio_is_of_pairs_in_the_same_round() -> None:
    diary: list[str] = []
    recording = CorpusRecording("one", Path("one.wav"), "A-read", "en", "hello there", 2.0)
    ours, theirs = Paced("ours", [1.0, 2.0, 1.0], diary), Paced("theirs", [3.0, 4.0, 4.0], diary)

    rounds = interleave([Entrant("ours", ours), Entrant("theirs", theirs)], [recording], 3, lambda run: None)

    assert diary == ["ours", "theirs", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert ratio(rounds, 1) == (3.0, 2.0, 4.0)
    assert rounds[0][1].wer.percent == 0.0
