"""What the words of a language say about a sentence: a wish, a date, a refusal, a decision, a rule.

A vocabulary is a file of its own in `vocabularies/`, of plain words and of expressions for `re`. It is used to
check what a model wrote and to read what is said in so many words; it never adds anything to a text.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from gateway.summaries.language import FREQUENT

LANGUAGES = ("en", "de", "es", "fr", "id", "it", "pt", "nl")

_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻŁŃŅŇŌŐŒŘŚŞŠŢŤŪŮŰŲŹŻŽ"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


@dataclass(frozen=True)
class LanguageWords:
    """Expressions of one language. Those that hold names tell small letters from capitals, the others do not."""

    language: str  # ISO 639-1
    fields: dict[str, Any]

    def words(self, name: str) -> frozenset[str]:
        return frozenset(self.fields[name])

    @cached_property
    def functional(self) -> frozenset[str]:
        """Words that say nothing by themselves."""
        return frozenset(FREQUENT[self.language].split()) | self.words("pronouns") | self.words("neutral")

    @cached_property
    def not_names(self) -> frozenset[str]:
        times = f"{self.fields['days']}|{self.fields['months']}".replace("(?:-feira)?", "").replace("(?:s)?", "")
        fillers = (word for filler in self.fields["fillers"] for word in filler.split())
        return self.functional | frozenset(times.split("|")) | frozenset(fillers) | self.words("negations")

    @cached_property
    def name(self) -> str:
        """One name: "Priya", "Frau Lindner", "Ana María"."""
        word = rf"[{_UPPER}][\w'’-]*[\w]"
        article = r"(?:[OA]s?\s+)?" if self.language == "pt" else ""
        return rf"{article}(?:(?i:{self.fields['titles']})\s+)?{word}(?:\s+{word})?"

    @cached_property
    def names(self) -> str:
        """One name or several: "Ben and Carla"."""
        return rf"{self.name}(?:(?:\s*,\s*{self.name})*\s+(?:{self.fields['conjunction']})\s+{self.name})?"

    @cached_property
    def due(self) -> re.Pattern[str]:
        text = self._with_times("due")
        event = r"(?:['’]s (?!(?:fine|ok|okay|good|great|best|better|the|a|no|not)\b)[\w-]+)?"  # "Thursday's meeting"
        return re.compile(rf"(?<!\w)(?:{text}){event}(?!\w)", re.IGNORECASE)

    @cached_property
    def filler(self) -> re.Pattern[str]:
        """What begins a sentence and says nothing, in the widest sense. Without a comma, "no" may be part of it."""
        denials = self.words("negations")
        return _leading([word for word in self.fields["fillers"] if word not in denials], self.fields["fillers"])

    @cached_property
    def connective(self) -> re.Pattern[str]:
        """What may be left out at the beginning of a sentence that is told."""
        return _leading(self.fields["connectives"], self.fields["fillers"])

    def is_first_person(self, text: str) -> bool:
        own = self.words("first_person")
        return any(word.casefold() in own or word.casefold().startswith("j'") for word in _WORD.findall(text))

    def is_of_a_group(self, text: str) -> bool:
        """Whether a sentence says "we"."""
        return any(word.casefold() in self.words("first_plural") for word in _WORD.findall(text))

    def familiarity(self, words: set[str], text: str) -> int:
        """How much of a sentence is of this language."""
        times = max((len(found[0].split()) + 1 for found in self.due.finditer(text)), default=0)
        verbs = sum(self.matches(name, text) for name in ("actions", "modal", "greetings"))
        return len(words & self.functional) + times + verbs

    def pattern(self, name: str) -> re.Pattern[str]:
        """The expression of this name, as whole words anywhere in a text."""
        return _whole_words(self._with_times(name))

    def _with_times(self, name: str) -> str:
        return str(self.fields[name]).replace("{days}", self.fields["days"]).replace("{months}", self.fields["months"])

    def matches(self, name: str, text: str) -> bool:
        return bool(self.pattern(name).search(text))

    def denies(self, text: str) -> bool:
        found = {word.casefold().replace("’", "'") for word in _WORD.findall(text)}
        negations = self.words("negations")
        return any(word in negations or word.endswith("n't") or word.startswith("n'") for word in found)


def _leading(bare: list[str], before_comma: list[str]) -> re.Pattern[str]:
    def either(words: list[str]) -> str:
        return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))

    return re.compile(
        rf"^(?:(?:{either(bare)})(?!\w)[\s,.!…-]*|(?:{either(before_comma)})(?!\w)\s*[,.!…-]\s*)+", re.IGNORECASE
    )


@cache
def _whole_words(expression: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{expression})(?!\w)", re.IGNORECASE)


@cache
def vocabulary(language: str) -> LanguageWords:
    text = (files(__package__) / "vocabularies" / f"{language}.toml").read_text(encoding="utf-8")
    return LanguageWords(language, tomllib.loads(text))


def vocabulary_of(text: str, language: str | None) -> LanguageWords:
    """The one whose words a sentence uses most; that of the whole text where the sentence does not tell.

    language: of the whole text; None, or one without a vocabulary, where it is not known
    """
    words = {word.casefold() for word in _WORD.findall(text)}
    usual = language if language in LANGUAGES else None
    common = {name: len(words & vocabulary(name).functional) for name in LANGUAGES}
    if usual and common[usual] and common[usual] >= max(common.values()):
        return vocabulary(usual)
    scores = {name: vocabulary(name).familiarity(words, text) for name in LANGUAGES}
    best = max(LANGUAGES, key=lambda name: (scores[name], name == usual, name == "en"))
    if usual and scores[best] < scores[usual] + 2:
        return vocabulary(usual)
    return vocabulary(best)
