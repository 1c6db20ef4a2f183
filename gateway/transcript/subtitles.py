"""Segments → subtitles: two lines of some columns at most, none past the end, none over another, time to read each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gateway.transcript.line_breaking import clusters, fitting, may_break, width
from gateway.transcript.segments import split_score
from gateway.transcript.text import join
from speech.transcript import Segment, Transcript, Word

COLUMNS = 42  # of a line, where nobody asks for another width; a wide character takes two
NARROWEST, WIDEST = 20, 100
LONGEST = 7.0  # seconds that a cue stays at most
SHORTEST = 0.8  # seconds that a cue stays at least, where there is room before the next
READ = 17.0  # characters a second that a reader reads
APART = 1.0  # seconds of silence that no cue reaches over
NAMED_IN = "en"  # the language of "Speaker 1:", which stands apart from what is said


@dataclass(frozen=True, slots=True)
class Cue:
    start: int  # milliseconds
    end: int  # milliseconds, after `start`
    lines: tuple[str, ...]
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class CueDraft:
    words: tuple[Word, ...]
    lines: tuple[str, ...]
    speaker: str | None

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end

    @property
    def reading(self) -> float:
        """Seconds that a reader needs for it."""
        return min(LONGEST, max(SHORTEST, sum(map(len, self.lines)) / READ))


def cues(transcript: Transcript, *, announced: bool = False, columns: int = COLUMNS) -> list[Cue]:
    """In order; each ends before the next begins and none is empty.

    announced: a change of speaker is named in the text, as srt has no other place for it
    """
    drafts = [
        CueDraft(tuple(words), lines, piece.speaker)
        for piece, said in _announced(transcript.segments, announced)
        for words, lines in _parts(said, transcript.language, columns)
    ]
    drafts.sort(key=lambda draft: draft.start)
    return _fit(_merged(drafts, transcript, columns), int(transcript.duration * 1000))


def _merged(drafts: Sequence[CueDraft], transcript: Transcript, columns: int) -> list[CueDraft]:
    """Where the next cue comes before one can be read, both are one if they fit."""
    merged: list[CueDraft] = []
    for at, draft in enumerate(drafts):
        following = drafts[at + 1].start if at + 1 < len(drafts) else transcript.duration
        hurried = merged and draft.start - merged[-1].start < merged[-1].reading
        if merged and (hurried or following - draft.start < draft.reading):
            both = _together(merged[-1], draft, transcript.language, columns)
            if both is not None:
                merged[-1] = both
                continue
        merged.append(draft)
    return merged


def _together(one: CueDraft, other: CueDraft, language: str, columns: int) -> CueDraft | None:
    """None if they are another's, too far apart or too much for one cue."""
    if one.speaker != other.speaker or other.start - one.end > APART or other.end - one.start > LONGEST:
        return None
    words = (*one.words, *other.words)
    lines = _wrap(words, language, columns)
    return CueDraft(words, lines, one.speaker) if lines else None


def srt(transcript: Transcript, *, labels: bool = True, columns: int = COLUMNS) -> str:
    """labels: "Speaker 1: " at each change of speaker, unless one person says everything."""
    announced = labels and len({piece.speaker for piece in transcript.segments}) > 1
    blocks = []
    for number, cue in enumerate(cues(transcript, announced=announced, columns=columns), 1):
        text = "\n".join(line.replace("-->", "→") for line in cue.lines)
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def vtt(transcript: Transcript, *, labels: bool = True, columns: int = COLUMNS) -> str:
    """labels: voice tags, which players can show, style or leave out."""
    blocks = ["WEBVTT\n", *(f"NOTE {_one_line(warning)}\n" for warning in transcript.warnings)]
    for cue in cues(transcript, columns=columns):
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
            words = (Word(f"{piece.speaker}:", piece.start, piece.start, 1.0, language=NAMED_IN), *words)
        speaking = piece.speaker
        yield piece, words


def _parts(words: Sequence[Word], language: str, columns: int) -> Iterator[tuple[Sequence[Word], tuple[str, ...]]]:
    """Cuts a segment into what one cue can show, at its best places."""
    units = [unit for word in words for unit in _narrow(word, columns)]
    if units:
        yield from _cut(units, language, columns)


def _cut(units: list[Word], language: str, columns: int) -> Iterator[tuple[Sequence[Word], tuple[str, ...]]]:
    lines = _wrap(units, language, columns)
    if len(units) == 1 or (lines and units[-1].end - units[0].start <= LONGEST):
        yield units, lines
        return
    places = _places(units, language)
    at = max(places, key=lambda at: split_score(units, at, LONGEST / 7))
    yield from _cut(units[:at], language, columns)
    yield from _cut(units[at:], language, columns)


def _places(units: Sequence[Word], language: str) -> Sequence[int]:
    """Before which units a line may begin; all, if that is nowhere."""
    spaced = [join(pair, language) != pair[0].text + pair[1].text for pair in pairwise(units)]
    pairs = zip(pairwise(units), spaced, strict=True)
    good = [at for at, ((one, other), space) in enumerate(pairs, 1) if space or may_break(one.text, other.text)]
    return good or range(1, len(units))


def _narrow(word: Word, columns: int) -> Iterator[Word]:
    """A word that is wider than a line, in pieces that are not; its time is shared out."""
    rest = clusters(" ".join(word.text.split()))
    pieces: list[str] = []
    while rest:
        count = fitting(rest, columns)
        whole = "".join(rest[:count])
        # One character of very many marks is torn: nothing else would fit.
        pieces += [whole[at : at + columns] for at in range(0, len(whole), columns)] if count == 1 else [whole]
        rest = rest[count:]
    step = (word.end - word.start) / max(len(pieces), 1)
    for at, piece in enumerate(pieces):
        yield replace(word, text=piece, start=word.start + at * step, end=word.start + (at + 1) * step)


def _wrap(units: Sequence[Word], language: str, columns: int) -> tuple[str, ...]:
    """One line, or two of about the same width; () if that is not enough."""
    whole = join(units, language)
    if width(whole) <= columns:
        return (whole,)
    if len(units) == 1:
        return ()
    good = set(_places(units, language))
    halves = [(join(units[:at], language), join(units[at:], language), at not in good) for at in range(1, len(units))]
    fitting_halves = [half for half in halves if max(width(half[0]), width(half[1])) <= columns]
    best = min(fitting_halves, key=lambda half: (half[2], max(width(half[0]), width(half[1]))), default=None)
    return best[:2] if best else ()


def _fit(drafts: Sequence[CueDraft], duration: int) -> list[Cue]:
    """Times in order, none past `duration` milliseconds, each cue as long as its reader needs where there is room."""
    starts = [round(draft.start * 1000) for draft in drafts]
    for at in range(1, len(starts)):
        starts[at] = max(starts[at], starts[at - 1] + 1)
    fitted: list[Cue] = []
    limit = duration
    for draft, start in zip(reversed(drafts), reversed(starts), strict=True):
        first = max(0, min(start, limit - 1))
        wanted = max(round(draft.end * 1000), first + round(draft.reading * 1000))
        fitted.append(Cue(first, min(max(wanted, first + 1), limit), draft.lines, draft.speaker))
        limit = first
    return [cue for cue in reversed(fitted) if cue.end > cue.start]


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
