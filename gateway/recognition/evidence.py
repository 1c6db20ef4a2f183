"""Whether speech was really heard: by the attention that looked at it, and by what the words are.

Word times give every stretch of speech to some word. The attention does not: it passes over speech that was left out,
and so tells holes that a stretched neighbour hides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gateway.recognition.coverage import REACH, SAME_LETTERS, believable
from gateway.recognition.inventions import is_known_invention
from gateway.recognition.windows import WindowTranscript
from gateway.transcript.sentences import ends_sentence
from speech.activity import CHUNK_SECONDS, Probabilities, Region, regions
from speech.audio import SAMPLE_RATE
from speech.transcript import ATTENTION_STEP, Word

SMOOTHED = 3  # steps of attention that count together
LEAST_ATTENTION = 0.2  # of the window's mean on speech: below it nothing was heard there
SHORTEST_OVERLOOKED = 0.5  # seconds: shorter ones are long vowels and the ends of words
SURE = 0.5  # probability of a word whose end may pass for speech that was overlooked
NEW_WORDS = 0.35  # probability that words need on average
SAID_ELSEWHERE = 0.8  # probability of words that stand beside them, at the beginning or in the prompt already
KNOWN = 0.6  # probability that a known invention needs where voice activity heard speech, too
SPOKEN = 0.5  # mean probability of speech over a known invention
STRETCHED = 1.5  # times the length that is believable
PAUSE = 0.5  # seconds between words that end a run of them
LEAST_REPEATED = 6  # letters of a repetition
SHORTEST_LETTER = 0.02  # seconds that a letter lasts in words that are really said


def overlooked(transcript: WindowTranscript, speech: Probabilities) -> list[Region]:
    """Stretches of the window's speech that no word's attention looked at; [] where the model tells no attention."""
    profile = np.array(transcript.result.attention, dtype=np.float64)
    if not profile.size:
        return []
    start = transcript.window.start / SAMPLE_RATE
    first = int(start / CHUNK_SECONDS)
    spoken = np.zeros(len(profile), dtype=bool)
    for region in regions(speech[first : first + math.ceil(len(profile) * ATTENTION_STEP / CHUNK_SECONDS)]):
        offset = first * CHUNK_SECONDS - start
        begin, end = (round((edge + offset) / ATTENTION_STEP) for edge in (region.start, region.end))
        spoken[max(0, begin) : max(0, end)] = True
    if not spoken.any():
        return []
    smoothed = np.convolve(profile, np.ones(SMOOTHED) / SMOOTHED, "same")
    passed_over = spoken & (smoothed < LEAST_ATTENTION * profile.sum() / spoken.sum())
    edges = np.flatnonzero(np.diff(np.concatenate([[0], passed_over.astype(np.int8), [0]])))
    runs = (
        Region(start + ATTENTION_STEP * first, start + ATTENTION_STEP * stop) for first, stop in edges.reshape(-1, 2)
    )
    long_enough = [run for run in runs if run.end - run.start >= SHORTEST_OVERLOOKED - 1e-6]
    return [run for run in long_enough if not _is_tail(run, transcript)]


def _is_tail(hole: Region, transcript: WindowTranscript) -> bool:
    """Whether it is only the end of a word, drawn out as the last one before a pause is: attention looks at its
    beginning."""
    before = [word for word in transcript.words if word.start < hole.end]
    last = before[-1] if before else None
    return (
        last is not None
        and last.start < hole.start
        and last.probability >= SURE
        and hole.end <= last.start + believable(last) + REACH
        and any(abs(region.end - hole.end) <= ATTENTION_STEP for region in transcript.window.regions)
    )


def off_holes(words: Sequence[Word], holes: Sequence[Region]) -> tuple[Word, ...]:
    """Words that lie over speech which nobody looked at are narrowed to what is beside it.

    That is the longer side; after it, where a sentence begins with the word.
    """
    for hole in holes:
        words = [
            _off_hole(word, hole, begins=at > 0 and ends_sentence(words[at - 1].text)) for at, word in enumerate(words)
        ]
    return tuple(words)


def _off_hole(word: Word, hole: Region, *, begins: bool) -> Word:
    if word.end <= hole.start or word.start >= hole.end:
        return word
    before, after = hole.start - word.start, word.end - hole.end
    if begins:
        return replace(word, start=hole.end, end=max(word.end, hole.end + min(before, believable(word))))
    if max(before, after) <= 0:  # all of it lies in the hole: its own attention is hardly anywhere
        return word
    return replace(word, end=hole.start) if before >= after else replace(word, start=hole.end)


def is_believable(found: Sequence[Word], beside: Sequence[Word], prompt: str = "") -> bool:
    """Whether words found in speech that nothing explains are to be shown.

    beside: all other words of the recording, in order
    What was said elsewhere already, stands in the prompt or is a known invention needs more than new words do.
    """
    if not found:
        return False
    probability = sum(word.probability for word in found) / len(found)
    text = " ".join(word.text for word in found)
    if is_repetition(found, beside, prompt) or is_known_invention(text):
        return probability >= SAID_ELSEWHERE
    return probability >= NEW_WORDS


def without_inventions(words: Sequence[Word], speech: Probabilities) -> tuple[Word, ...]:
    """Without known inventions of little evidence, and without sentences that only repeat others and have no length."""
    kept: list[Word] = []
    runs = sentences(words)
    for at, run in enumerate(runs):
        beside = [word for other in (runs[:at], runs[at + 1 :]) for each in other for word in each]
        if not _is_invented(run, beside, speech):
            kept += run
    return tuple(kept)


def without_echo(words: Sequence[Word]) -> tuple[Word, ...]:
    """Without words at the end that only repeat the one before them, or its beginning, and have hardly any length.

    A word that the end of the recording cuts in two is written again and again.
    """
    kept = list(words)
    while len(kept) > 1 and _is_echo(kept[-1], kept[-2]):
        kept.pop()
    return tuple(kept)


def _is_echo(word: Word, before: Word) -> bool:
    echo, said = letters(word), letters(before)
    alike = echo == said or (len(echo) >= SAME_LETTERS and echo[:SAME_LETTERS] == said[:SAME_LETTERS])
    return alike and word.probability < NEW_WORDS and word.end - word.start < SHORTEST_LETTER * len(echo)


def sentences(words: Sequence[Word]) -> list[list[Word]]:
    """Runs of words, ended by the end of a sentence or by a pause."""
    runs: list[list[Word]] = []
    for word in words:
        if not runs or ends_sentence(runs[-1][-1].text) or word.start - runs[-1][-1].end > PAUSE:
            runs.append([])
        runs[-1].append(word)
    return runs


def _is_invented(run: Sequence[Word], beside: Sequence[Word], speech: Probabilities) -> bool:
    if is_known_invention(" ".join(word.text for word in run)):
        heard = speech[int(run[0].start / CHUNK_SECONDS) : int(run[-1].end / CHUNK_SECONDS) + 1]
        probability = sum(word.probability for word in run) / len(run)
        return probability < KNOWN or float(np.mean(heard)) < SPOKEN
    fitting = sum(0 < word.end - word.start <= STRETCHED * believable(word) for word in run)
    return fitting < len(run) / 2 and is_repetition(run, beside)


def is_repetition(found: Sequence[Word], beside: Sequence[Word], prompt: str = "") -> bool:
    """Whether the text stands in the words beside it, or in the prompt, as it is."""
    said = "".join(map(letters, found))
    elsewhere = "".join(map(letters, beside)) + " " + re.sub(r"\W", "", prompt).lower()
    return len(said) >= LEAST_REPEATED and said in elsewhere


def letters(word: Word) -> str:
    return re.sub(r"\W", "", word.text).lower()
