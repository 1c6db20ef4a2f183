from __future__ import annotations

import io

from rich.console import Console

from gateway.cli.readable import paragraphs, print_readable
from gateway.transcript.segments import segment
from speech.transcript import Transcript, Word


def said(*words: tuple[str, float, str | None], language: str = "en") -> Transcript:
    """Words of 0.4 s: (text, start, speaker)"""
    each = [Word(text, start, start + 0.4, 0.9, speaker) for text, start, speaker in words]
    return Transcript(segment(each, language), language, 1000.0)


def shown(transcript: Transcript, width: int = 80, **options: bool) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_readable(transcript, console, **options)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_paragraph_ends_with_its_speaker_a_pause_and_a_minute() -> None:
    long = [("word", float(second), "Speaker 2") for second in range(20, 130)]
    transcript = said(("Hi.", 0.0, "Speaker 1"), ("You?", 1.0, "Speaker 1"), ("Fine.", 5.0, "Speaker 1"), *long)

    found = paragraphs(transcript)

    assert [(each.start, each.speaker) for each in found][:3] == [
        (0.0, "Speaker 1"),
        (5.0, "Speaker 1"),
        (20.0, "Speaker 2"),
    ]
    assert found[0].text == "Hi. You?"
    assert len(found) == 4


def test_every_change_has_a_blank_line_a_time_and_a_name() -> None:
    transcript = said(("Hi.", 0.0, "Speaker 1"), ("Hello.", 3725.0, "Speaker 2"))

    assert shown(transcript) == "0:00  Speaker 1\nHi.\n\n1:02:05  Speaker 2\nHello.\n"
    assert shown(transcript, labels=False) == "0:00\nHi.\n\n1:02:05\nHello.\n"


def test_one_short_thing_is_shown_alone() -> None:
    assert shown(said(("Hi.", 3.0, None))) == "Hi.\n"
    assert shown(said()) == ""


def test_words_are_not_broken_at_the_edge() -> None:
    text = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "again", "and", "again"]
    transcript = said(*((word, at * 0.5, None) for at, word in enumerate(text)))

    lines = shown(transcript, width=20).splitlines()

    assert max(map(len, lines)) <= 20
    assert " ".join(lines).split() == text


def test_a_language_without_spaces_gets_none() -> None:
    transcript = said(("難しそう。", 0.0, None), ("ですね。", 0.5, None), language="ja")

    assert shown(transcript) == "難しそう。ですね。\n"
