from __future__ import annotations

from gateway.cli.mcp.ranking import RankedPassage
from gateway.cli.mcp.stored_transcript import between, pages, surroundings
from gateway.cli.readable import Paragraph
from gateway.transcript.segments import segment
from speech.transcript import Transcript, Word


def paragraph(text: str, at: float = 0.0) -> Paragraph:
    return Paragraph(at, at + 1.0, "Ann", text)


def test_pages_hold_whole_paragraphs_and_all_of_them() -> None:
    said = [paragraph("a" * 40), paragraph("b" * 50), paragraph("c" * 200), paragraph("d" * 10)]

    found = pages(said, 100)

    assert [[each.text[0] for each in page] for page in found] == [["a", "b"], ["c"], ["d"]]


def test_silence_is_one_empty_page() -> None:
    assert pages([], 100) == [[]]


def test_a_stretch_has_the_segments_that_lie_half_inside() -> None:
    words = [Word(f"Word{at}.", float(at), at + 0.8, 0.9) for at in range(0, 50, 10)]
    transcript = Transcript(segment(words, "en"), "en", 60.0)

    def texts(start: float, end: float | None) -> list[str]:
        return [each.text for each in between(transcript, start, end).segments]

    assert texts(10.5, 30.5) == ["Word10.", "Word20.", "Word30."]
    assert texts(35.0, None) == ["Word40."]
    assert texts(0.0, 0.0) == []


def test_passages_come_with_their_neighbours_and_those_that_touch_are_one() -> None:
    ranked = [RankedPassage(7, 3.0, ("rent",)), RankedPassage(2, 2.0, ("may",)), RankedPassage(4, 1.0, ("rent",))]

    found = surroundings(ranked, most=3, count=8)

    assert [(first, last, each.score, each.matched) for each, first, last in found] == [
        (6, 7, 3.0, ("rent",)),
        (1, 5, 2.0, ("may", "rent")),
    ]
