"""Segments → subtitles: at most two lines of 42 columns, none past the end, none over another."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.transcript.segments import split_score
from gateway.transcript.text import join
from speech.transcript import Segment, Transcript, Word

COLUMNS = 42
LONGEST = 7.0  # seconds that a cue stays at most
READING = 1000  # milliseconds that a cue stays at least, unless the next one begins


@dataclass(frozen=True, slots=True)
class Cue:
    start: int  # milliseconds
    end: int  # milliseconds, after `start`
    lines: tuple[str, ...]
    speaker: str | None = None


def cues(transcript: Transcript, *, announced: bool = False) -> list[Cue]:
    """In order; each ends before the next begins and none is empty.

    announced: a change of speaker is named in the text, as srt has no other place for it
    """
    drafts = [
        Cue(round(words[0].start * 1000), round(words[-1].end * 1000), lines, piece.speaker)
        for piece, said in _announced(transcript.segments, announced)
        for words, lines in _parts(said, transcript.language)
    ]
    return _fit(drafts, int(transcript.duration * 1000))


def srt(transcript: Transcript, *, labels: bool = True) -> str:
    """labels: "Speaker 1: " at each change of speaker, unless one person says everything."""
    announced = labels and len({piece.speaker for piece in transcript.segments}) > 1
    blocks = []
    for number, cue in enumerate(cues(transcript, announced=announced), 1):
        text = "\n".join(line.replace("-->", "→") for line in cue.lines)
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def vtt(transcript: Transcript, *, labels: bool = True) -> str:
    """labels: voice tags, which players can show, style or leave out."""
    blocks = ["WEBVTT\n", *(f"NOTE {_one_line(warning)}\n" for warning in transcript.warnings)]
    for cue in cues(transcript):
        text = "\n".join(_escape(line) for line in cue.lines)
        voice = f"<v {_escape(cue.speaker)}>" if labels and cue.speaker else ""
        blocks.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def _announced(segments: Sequence[Segment], named: bool) -> Iterator[tuple[Segment, Sequence[Word]]]:
    """Every segment with the words to show; a name counts as a word without length."""
    speaking = None
    for piece in segments:
        words: Sequence[Word] = piece.words
        if named and piece.speaker is not None and piece.speaker != speaking:
            words = (Word(f"{piece.speaker}:", piece.start, piece.start, 1.0), *words)
        speaking = piece.speaker
        yield piece, words


def _parts(words: Sequence[Word], language: str) -> Iterator[tuple[Sequence[Word], tuple[str, ...]]]:
    """Cuts a segment into what one cue can show, at its best places."""
    units = [unit for word in words for unit in _narrow(word)]
    if units:
        yield from _cut(units, language)


def _cut(units: list[Word], language: str) -> Iterator[tuple[Sequence[Word], tuple[str, ...]]]:
    lines = _wrap(units, language)
    if len(units) == 1 or (lines and units[-1].end - units[0].start <= LONGEST):
        yield units, lines
        return
    at = max(range(1, len(units)), key=lambda at: split_score(units, at, LONGEST / 7))
    yield from _cut(units[:at], language)
    yield from _cut(units[at:], language)


def _narrow(word: Word) -> Iterator[Word]:
    """A word that is wider than a line, in pieces that are not; its time is shared out."""
    text = " ".join(word.text.split())
    pieces = []
    while text:
        length = len(text)
        while _width(text[:length]) > COLUMNS:
            length -= 1
        pieces.append(text[:length])
        text = text[length:]
    step = (word.end - word.start) / max(len(pieces), 1)
    for at, piece in enumerate(pieces):
        yield replace(word, text=piece, start=word.start + at * step, end=word.start + (at + 1) * step)


def _wrap(units: Sequence[Word], language: str) -> tuple[str, ...]:
    """One line, or two of about the same width; () if that is not enough."""
    whole = join(units, language)
    if _width(whole) <= COLUMNS:
        return (whole,)
    halves = [(join(units[:at], language), join(units[at:], language)) for at in range(1, len(units))]
    fitting = [half for half in halves if max(map(_width, half)) <= COLUMNS]
    return min(fitting, key=lambda half: max(map(_width, half)), default=())


def _width(text: str) -> int:
    """Columns: East Asian characters are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _fit(drafts: Sequence[Cue], duration: int) -> list[Cue]:
    """Times in order, none past `duration` milliseconds, each cue readable where there is room."""
    starts, ends, reached = [], [], 0
    for cue in drafts:
        starts.append(max(cue.start, reached))
        ends.append(max(cue.end, starts[-1] + 1))
        reached = ends[-1]
    limit = duration
    for at in reversed(range(len(drafts))):
        ends[at] = min(max(ends[at], starts[at] + READING), limit)
        starts[at] = max(0, min(starts[at], ends[at] - 1))
        limit = starts[at]
    return [
        replace(cue, start=start, end=end) for cue, start, end in zip(drafts, starts, ends, strict=True) if end > start
    ]


def _clock(milliseconds: int, mark: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{thousandths:03}"


def _one_line(text: str) -> str:
    """A note of WebVTT ends at a blank line and may not hold the arrow of a cue."""
    return " ".join(text.split()).replace("-->", "→")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
