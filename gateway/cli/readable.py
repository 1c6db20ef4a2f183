"""A transcript for eyes: speakers in colour, a time and a blank line at each change, no word broken at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from gateway.cli.terminal import clock
from speech.languages import SPACELESS
from speech.transcript import Segment, Transcript

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
WIDEST = 100  # columns: longer lines are hard to read
PAUSE = 2.0  # seconds without a word, after which a paragraph ends
LONGEST = 60.0  # seconds, after which a paragraph ends with its segment


@dataclass(frozen=True, slots=True)
class Paragraph:
    start: float  # seconds
    end: float  # seconds
    speaker: str | None
    text: str


def paragraphs(transcript: Transcript) -> list[Paragraph]:
    separator = "" if transcript.language in SPACELESS else " "
    groups: list[list[Segment]] = []
    for piece in transcript.segments:
        if not groups or _ends(groups[-1], piece):
            groups.append([])
        groups[-1].append(piece)
    return [
        Paragraph(group[0].start, group[-1].end, group[0].speaker, separator.join(piece.text for piece in group))
        for group in groups
    ]


def print_readable(transcript: Transcript, console: Console, *, labels: bool = True) -> None:
    """labels: whether speakers are named"""
    said = paragraphs(transcript)
    labels = labels and len({paragraph.speaker for paragraph in said}) > 1
    speakers = list(dict.fromkeys(paragraph.speaker for paragraph in said))
    width = min(console.width, WIDEST)
    for at, paragraph in enumerate(said):
        colour = COLOURS[speakers.index(paragraph.speaker) % len(COLOURS)] if labels and paragraph.speaker else ""
        if at:
            console.print()
        if len(said) > 1:
            name = paragraph.speaker if labels and paragraph.speaker else ""
            head = Text.assemble((clock(paragraph.start), "dim"), ("  " if name else ""), (name, f"bold {colour}"))
            console.print(head)
        for line in Text(paragraph.text).wrap(console, width):
            console.print(Text(line.plain.rstrip(), colour), soft_wrap=True)


def _ends(group: Sequence[Segment], after: Segment) -> bool:
    before = group[-1]
    paused = after.start - before.end >= PAUSE
    return before.speaker != after.speaker or paused or before.end - group[0].start >= LONGEST
