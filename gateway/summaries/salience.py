"""Which sentences of a transcript a summary rests on: decisions, tasks, figures, and what is said most."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.summaries.grounding import shared, words_of
from gateway.summaries.spoken_task import SpokenTask
from gateway.summaries.utterances import TranscriptSentence
from gateway.summaries.vocabulary import LanguageWords, vocabulary_of

FEWEST_WORDS = 4  # of a sentence that says something
SIMILAR = 0.65  # share of words that make two sentences one
DECISION, TASK, FIGURE, TIME, NAME = 3.0, 1.6, 1.0, 0.5, 0.4
DOUBT, OWN_TALK, ANAPHORA = -2.0, -0.6, -0.5
DECISION_FIRST = 1.5  # where there is room for little else
NEARLY = 1.0  # as good
FULLNESS = 0.12  # for each word of content
TOPIC_BEFORE = 8  # sentences between a topic and what is decided on it

_FIGURE = re.compile(
    r"\d|\b(?:hundred|thousand|million|percent|euros?|dollars?|pounds?|"
    r"hundert|tausend|million(?:en)?|prozent|cien(?:to)?s?|mil|millones|"
    r"cent|mille|ratus|ribu|juta|rupiah|persen|honderd|duizend|procent|cento|mila|milhões|reais|years?|degrees?|metres?|kilometres?)\w*\b",
    re.IGNORECASE,
)
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_ASKING = re.compile(r"[?？]\s*[\"'”»]?$")
_UNDECIDED = re.compile(
    r"(?i)\b(?:not|n't|nicht|no|pas|tidak|belum|non|não|niet|noch nichts?|nothing|nada|rien)\W+(?:\w+\W+){0,4}"
    r"(?:decid\w*|agree\w*|entschieden|entscheiden|beschlossen|décid\w*|putuskan|diputuskan|decis\w*|besl\w+|vote[ds]?)\b"
)
_OPINION = re.compile(
    r"\b(?:i (?:think|guess|believe|mean|know)|ich (?:glaube|denke|finde)|creo|je (?:pense|crois)|"
    r"menurut saya|you know)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may be told."""

    index: int  # in the list of utterances
    score: float
    decides: bool
    words: LanguageWords
    topic: int | None = None  # index of the sentence that says what "that" is, where a decision says no more


def candidates(
    utterances: Sequence[TranscriptSentence], language: str | None, tasks: Sequence[SpokenTask]
) -> list[Candidate]:
    """In their order. Greetings, questions and what is taken back at once are none."""
    giving = {task.sentence for task in tasks}
    counts = Counter(word for utterance in utterances for word in set(words_of(utterance.text)))
    found: list[Candidate] = []
    for index, utterance in enumerate(utterances):
        words = vocabulary_of(utterance.text, language)
        gives = utterance.number in giving
        if not (gives or _says_something(utterance, words)) or _is_refuted(utterances, index, words):
            continue
        decides = is_decision(utterance.text, words)
        score = DECISION * decides + TASK * gives + _content(utterance.text, words)
        score += _centrality(utterance.text, words, counts, len(utterances))
        score += (0.5 if index == 0 else 0.0) + (0.3 if len(found) == 0 else 0.0)
        vague = _is_vague(utterance.text, words)
        topic = _topic(utterances, index, words) if vague and decides else None
        score += ANAPHORA * (vague and topic is None)
        found.append(Candidate(index, score, decides, words, topic))
    return found


def is_decision(text: str, words: LanguageWords) -> bool:
    if _UNDECIDED.search(text):
        return False
    return not _ASKING.search(text) and words.matches("decisions", text) and not words.matches("uncertain", text)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what is chosen."""

    points: int
    words: int  # of all of them together
    decisions_first: bool = False

    def rank(self, candidate: Candidate) -> tuple[float, int]:
        first = DECISION_FIRST if self.decisions_first and candidate.decides else 0.0
        return -candidate.score - first, candidate.index


def chosen(found: Sequence[Candidate], utterances: Sequence[TranscriptSentence], limits: Limits) -> list[Candidate]:
    """The best, in the order in which they were said. Of two decisions on the same, the last one counts."""
    kept: list[Candidate] = []
    content = {one.index: _content_words(utterances[one.index].text, one.words) for one in found}
    lengths = {one.index: len(words_of(utterances[one.index].text)) for one in found}
    for candidate in sorted(found, key=limits.rank):
        own = content[candidate.index]
        same = [other for other in kept if _same(own, content[other.index])]
        used = sum(lengths[other.index] for other in kept)
        if same:
            last = same[0]
            if candidate.decides and candidate.index > last.index and last.score - candidate.score < NEARLY:
                kept[kept.index(last)] = candidate
        elif len(kept) < limits.points and (not kept or used + lengths[candidate.index] <= limits.words):
            kept.append(candidate)
    return sorted(kept, key=lambda one: one.index)


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    """By most of their words; figures that differ make two sentences of them."""
    first, second = ({word for word in words if word.isdigit()} for words in (one, other))
    return shared(one, other) >= SIMILAR and (first == second or not first or not second)


def _says_something(utterance: TranscriptSentence, words: LanguageWords) -> bool:
    text = utterance.text
    plain = words.filler.sub("", text)
    spaceless = bool(_SPACELESS.search(text))
    if len(words_of(plain)) < FEWEST_WORDS or _ASKING.search(text):
        return False
    if re.fullmatch(rf"(?i:{words.fields['back_reference']})[.!]*", plain):
        return False  # it is told as the task that it accepts
    greeting = words.pattern("greetings").match(text) or words.pattern("greetings").match(plain)
    return spaceless or not (greeting and len(plain.split()) < 9)


def _is_refuted(utterances: Sequence[TranscriptSentence], index: int, words: LanguageWords) -> bool:
    if index + 1 >= len(utterances):
        return False
    following = utterances[index + 1]
    other = following.speaker != utterances[index].speaker or not following.speaker
    return other and bool(re.match(rf"(?i:{words.fields['refuse'].split('|')[0]})[,.!]", following.text))


def _is_vague(text: str, words: LanguageWords) -> bool:
    """Whether a short sentence speaks of something that another one names."""
    return len(text.split()) < 12 and words.matches("anaphora", text)


def _topic(utterances: Sequence[TranscriptSentence], index: int, words: LanguageWords) -> int | None:
    for before in range(index - 1, max(-1, index - 1 - TOPIC_BEFORE), -1):
        text = utterances[before].text
        if before == index - 1 and _ASKING.search(text) and len(text.split()) > 3:
            return before
        if is_decision(text, words) and not words.matches("topics", text):
            return None
        if words.pattern("topics").match(text) and len(text.split()) > 3 and not _ASKING.search(text):
            return before
    return None


def _content(text: str, words: LanguageWords) -> float:
    score = FIGURE * bool(_FIGURE.search(text)) + TIME * bool(words.due.search(text))
    inside = re.findall(r"(?<=[a-zà-ÿ,] )[A-ZÀ-Þ]\w+", text)
    score += NAME * (bool(inside) and words.language != "de")
    score += DOUBT * words.matches("uncertain", text) + OWN_TALK * bool(_OPINION.search(text))
    score += FULLNESS * min(8, len(_content_words(text, words)))
    return score + (-0.5 if len(text.split()) > 45 else 0.0)


def _content_words(text: str, words: LanguageWords) -> list[str]:
    spaceless = bool(_SPACELESS.search(text))
    return [
        word
        for word in words_of(text)
        if word not in words.functional and (spaceless or len(word) > 3 or word.isdigit())
    ]


def _centrality(text: str, words: LanguageWords, counts: Counter[str], sentences: int) -> float:
    """Of words that are said in several sentences, but not in all."""
    content = set(_content_words(text, words))
    if not content:
        return 0.0
    weights = [math.log1p(counts[word]) * math.log((sentences + 1) / counts[word]) for word in content]
    return min(2.0, sum(weights) / (len(content) + 3) / max(1.0, math.log(sentences + 1)) * 2)
