"""Speech that its words do not explain is decoded again by itself, and what stays without words is known.

A second look at a hole is another cut of the sound: first the stretches of speech that it lies in, then the hole
alone. What that finds is shown only where it is better than what was there, or fills a hole and is believable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from gateway.media.recording import Recording
from gateway.recognition.coverage import (
    LEAST_EXPLAINED,
    believable,
    beside_words,
    gaps,
    in_gap,
    inside,
    is_better,
    joined,
    merge,
    replace_words,
    tighten,
    unexplained,
)
from gateway.recognition.evidence import is_believable, off_holes, overlooked, without_echo, without_inventions
from gateway.recognition.windows import WindowTranscriber, WindowTranscript
from speech.activity import Region
from speech.audio import SAMPLE_RATE
from speech.transcript import Word
from speech.windows import Window, plan

GAP_MARGIN = 0.2  # seconds around speech without words that are decoded with it
GAP_WINDOW = 12.0  # seconds: what yielded nothing as a whole is decoded again in pieces of at most this length
SHORTEST_ALONE = 1.0  # seconds: of less sound by itself nothing believable is made
SAME_CUT = 0.5  # seconds: a cut that differs by less from the one before is not worth a look


@dataclass(frozen=True, slots=True)
class CompletedWords:
    words: list[Word]
    lost: list[Region]  # parts of speech that its words do not explain in which there are none, in order
    holes: list[Region]  # speech that no word stands for


@dataclass(slots=True)
class _Draft:
    """A window's words while they are completed."""

    transcript: WindowTranscript
    words: Sequence[Word]
    missing: list[Region]  # speech that the words do not explain


_Look = tuple[_Draft, Region, Region]  # a window, what is missing in it, the sound that is decoded for it


class SecondLook:
    """Completes the words of one recording."""

    def __init__(self, transcriber: WindowTranscriber, recording: Recording, prompt: str = "") -> None:
        """prompt: what the request says is likely to be said; a text that only repeats it needs stronger evidence"""
        self._transcriber = transcriber
        self._recording = recording
        self._prompt = prompt

    async def complete(self, transcripts: Sequence[WindowTranscript], *, only_whole: bool) -> CompletedWords:
        """All words of the recording.

        only_whole: a window with credible words has no gaps. A translation says things in another order and with
        fewer words, so that speech beside its words is not speech that was missed.
        """
        drafts = await asyncio.to_thread(self._drafts, transcripts, only_whole)
        await self._look([(each, gap, around(gap, each.transcript.window)) for each in drafts for gap in each.missing])
        await self._look(
            [
                (each, gap, gap)
                for each in drafts
                for gap in each.missing
                if each.transcript.result.attention  # without it a hole is a guess
                and gap.end - gap.start >= SHORTEST_ALONE
                and is_open(gap, each.words)
                and _differs(gap, around(gap, each.transcript.window))
            ]
        )
        return await asyncio.to_thread(self._result, drafts, only_whole)

    def _result(self, drafts: Sequence[_Draft], only_whole: bool) -> CompletedWords:
        words: list[Word] = []
        lost: list[Region] = []
        holes: list[Region] = []
        for each in drafts:
            complete = each.words or self._tightened(each.transcript)  # a guess is better than nothing
            words += complete
            if not (only_whole and complete):
                unheard = [gap for gap in each.missing if is_open(gap, complete)]
                unexplained_parts = joined([*unheard, *self._gaps(complete, each.transcript.window)])
                lost += [part for stretch in unexplained_parts for part in beside_words(stretch, complete)]
                holes += [gap for gap in unheard if not inside(complete, gap)]
        return CompletedWords(words, lost, holes)

    def _drafts(self, transcripts: Sequence[WindowTranscript], only_whole: bool) -> list[_Draft]:
        return [self._draft(each, only_whole) for each in transcripts if each.is_speech]

    def _draft(self, each: WindowTranscript, only_whole: bool) -> _Draft:
        words = () if each.is_improbable else self._tightened(each)
        if only_whole and words:
            return _Draft(each, words, [])
        holes = overlooked(each, self._recording.speech)
        return _Draft(each, words, joined([*holes, *self._gaps(words, each.window)]))

    def _tightened(self, each: WindowTranscript) -> tuple[Word, ...]:
        """Its words, none stretched over a pause or over speech that it does not stand for; no inventions, no echo."""
        words = tighten(off_holes(each.words, overlooked(each, self._recording.speech)), self._recording.speech)
        return without_echo(without_inventions(words, self._recording.speech))

    def _gaps(self, words: Sequence[Word], window: Window) -> list[Region]:
        span = Region(window.start / SAMPLE_RATE, window.end / SAMPLE_RATE)
        return joined([*gaps(words, self._recording.speech, span), *unexplained(words, window.regions)])

    async def _look(self, looks: Sequence[_Look]) -> None:
        """Decodes each cut, and completes its window's words with what that finds for the gap."""
        windows = await asyncio.to_thread(lambda: [self._windows_over(cut) for _, _, cut in looks])
        asked = [
            (window, draft.transcript.language)
            for (draft, _, _), over in zip(looks, windows, strict=True)
            for window in over
        ]
        again = await self._transcriber.transcribe(asked)
        await asyncio.to_thread(self._merge, looks, windows, again)

    def _merge(
        self, looks: Sequence[_Look], windows: Sequence[Sequence[Window]], again: Sequence[WindowTranscript]
    ) -> None:
        """windows: of each look; again: of all windows, in order"""
        transcripts = iter(again)
        for (draft, gap, cut), over in zip(looks, windows, strict=True):
            heard = list(islice(transcripts, len(over)))
            spoken = [each for each in heard if each.is_speech and not each.is_improbable]
            found = [word for each in spoken for word in self._tightened(each)]
            draft.words = self._completed(draft.words, found, gap, cut)

    def _completed(self, words: Sequence[Word], found: Sequence[Word], gap: Region, cut: Region) -> Sequence[Word]:
        """The words with what a look found: in place of those around the gap where it is better, else inside it."""
        reach = Region(cut.start - GAP_MARGIN, cut.end + GAP_MARGIN)
        better, replaced = inside(found, reach), inside(words, cut)
        outside = [word for word in words if word not in replaced]
        if is_better(better, replaced) and is_believable(better, outside, self._prompt):
            return replace_words(words, better, cut)
        fresh = in_gap(words, found, gap)
        return merge(words, fresh) if is_believable(fresh, words, self._prompt) else words

    def _windows_over(self, cut: Region) -> list[Window]:
        """Windows over the cut, with a little of what surrounds it."""
        recording = self._recording
        start, end = max(0.0, cut.start - GAP_MARGIN), min(recording.duration, cut.end + GAP_MARGIN)
        return plan([Region(start, end)], recording.speech, recording.pcm, GAP_WINDOW)


def around(gap: Region, window: Window) -> Region:
    """The gap with the rest of the stretches of speech that it lies in, unless they are long."""
    regions = [region for region in window.regions if region.end > gap.start and region.start < gap.end]
    start = min((region.start for region in regions), default=gap.start)
    end = max((region.end for region in regions), default=gap.end)
    whole = Region(min(start, gap.start), max(end, gap.end))
    return whole if whole.end - whole.start <= GAP_WINDOW else gap


def is_open(gap: Region, words: Sequence[Word]) -> bool:
    """Whether the words in it take up too little of a gap to explain it."""
    explained = sum(min(word.end - word.start, believable(word)) for word in inside(words, gap))
    return explained < LEAST_EXPLAINED * (gap.end - gap.start)


def _differs(one: Region, other: Region) -> bool:
    return abs(one.start - other.start) + abs(one.end - other.end) >= SAME_CUT
