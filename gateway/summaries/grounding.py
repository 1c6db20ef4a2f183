"""Whether a statement is borne out by sentences: its words, names, figures and negations are theirs.

A statement that is doubtful is not borne out: saying less is better than saying something false.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.summaries.vocabulary import LanguageWords

COPY = 0.8  # share of a text's runs of words that its summary repeats at most
RUN = 4  # words
SHORT_TEXT = 60  # words; what is no longer may be told whole

_WORD = re.compile(r"[^\W_]+(?:[.,:]\d+)*")
_LETTERS = re.compile(r"[^\W\d_]")
_NUMBER_WORD = re.compile(
    r"zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen(?:th)?|twenty|thirty|"
    r"forty|fifty|sixty|seventy|"
    r"eighty|ninety|\w*hundred\w*|thousands?|millions?|billions?|first|second|third|fourth|fifth|sixth|"
    r"seventh|eighth|ninth|tenth|"
    r"eleventh|twelfth|\w+tieth|half|quarter|dozen|twice|double|"
    r"\w*(?:zwei|drei|vier|fünf|sechs|sieben|neun|zehn|zwölf|zwanzig|[sz]ig|ßig|hundert|tausend|million|"
    r"milliard)\w*|acht\w*|elf\w*|halb\w*|"
    r"uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince|dieci\w+|"
    r"veint\w+|\w+enta|cien\w*|mil|"
    r"mill[oó]n(?:es)?|primer\w*|segund\w*|tercer\w*|deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|"
    r"douze|treize|quatorze|quinze|"
    r"seize|vingt|\w+ante|trente|cents?|mille|premi\w+|deuxième|troisième|satu|dua|tiga|empat|lima|enam|"
    r"tujuh|delapan|sembilan|sepuluh|"
    r"sebelas|belas|puluh|\w*ratus|\w*ribu|juta|pertama|kedua|ketiga|due|tre|quattro|cinque|sei|sette|"
    r"otto|nove|dieci|undici|dodici|"
    r"venti\w*|trenta|quaranta|cinquanta|cento|mila|dois|duas|três|quatro|sete|oito|dez|doze|quinze|vinte|"
    r"trinta|quarenta|cinquenta|cem|"
    r"twee|drie|vijf|zes|zeven|negen|\w*tien|twaalf|\w+tig|\w*honderd|\w*duizend|miljoen|percent|prozent|"
    r"procent|persen"
)
_CLAUSE = re.compile(
    r"[,;:.!?–—]|\b(?:but|because|aber|weil|pero|porque|mais|parce|tapi|karena|ma|perché|mas|maar|omdat)\b",
    re.IGNORECASE,
)
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")


def words_of(text: str) -> list[str]:
    """Words in small letters; of scripts without spaces, pairs of characters."""
    found: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if _SPACELESS.search(word):
            found.extend(word[index : index + 2] for index in range(max(1, len(word) - 1)))
        else:
            found.append(word)
    return found


def is_borne_out(statement: str, told: str, around: str, words: LanguageWords) -> bool:
    """Whether a statement says what a sentence says.

    told: the sentence, with the name of its speaker
    around: the sentences next to it, of which single words may come
    """
    said = words_of(f"{told} {around}")
    near = words_of(told)
    content = [word for word in words_of(statement) if _is_content(word, words)]
    if not content or any(not _stands_in(word, said) for word in content):
        return False
    if any(word not in near for word in content if _is_exact(word, words)):
        return False
    if sum(_stands_in(word, near) for word in content) < 0.6 * len(content):
        return False
    return (
        _same_polarity(statement, told, words)
        and _same_certainty(statement, told, words)
        and _same_order(statement, f"{told} {around}", words)
    )


def keeps_enough(statement: str, told: str, words: LanguageWords) -> bool:
    """Whether a statement has half of what a sentence says, or four words of it: "We decided that." says nothing."""
    own, said = ([word for word in words_of(text) if _is_content(word, words)] for text in (statement, told))
    return len(set(own)) >= min(4, len(set(said)) / 2)


def copies(summary: str, text: str) -> bool:
    """Whether a summary is the text itself, of one that is longer than SHORT_TEXT words."""
    words = words_of(text)
    if len(words) <= SHORT_TEXT:
        return False
    runs = {tuple(words[index : index + RUN]) for index in range(len(words) - RUN + 1)}
    own = words_of(summary)
    repeated = runs & {tuple(own[index : index + RUN]) for index in range(len(own) - RUN + 1)}
    return len(repeated) > COPY * len(runs)


def shared(one: Sequence[str], other: Sequence[str]) -> float:
    """Share of the shorter one's words that the other has."""
    first, second = set(one), set(other)
    return len(first & second) / max(1, min(len(first), len(second)))


def _is_content(word: str, words: LanguageWords) -> bool:
    if word in words.functional or words.denies(word):
        return False
    return any(letter.isdigit() for letter in word) or len(word) > 2 or bool(_SPACELESS.search(word))


def _is_exact(word: str, words: LanguageWords) -> bool:
    """Whether a word is a figure or a date, which must be that of the sentence itself, in the same form."""
    times = re.fullmatch(rf"(?:{words.fields['days']}|{words.fields['months']})", word)
    return not word.isalpha() or bool(times) or bool(_NUMBER_WORD.fullmatch(word))


def _stands_in(word: str, said: Sequence[str]) -> bool:
    if not _LETTERS.search(word) or _SPACELESS.search(word):
        return word in said
    stem = word[: max(4, len(word) - 3)] if len(word) > 4 else word
    return any(other == word or (len(word) > 4 and other.startswith(stem)) or _inflected(word, other) for other in said)


def _inflected(word: str, other: str) -> bool:
    """ "fixes" of "fix", "plans" of "plan"."""
    shorter, longer = sorted((word, other), key=len)
    return (
        len(shorter) > 2
        and longer.startswith(shorter)
        and longer[len(shorter) :] in ("s", "es", "ed", "d", "ing", "t", "n", "en", "e", "r")
    )


def _same_polarity(statement: str, told: str, words: LanguageWords) -> bool:
    denied = [clause for clause in _CLAUSE.split(told) if words.denies(clause)]
    if words.denies(statement):
        own_denials = [clause for clause in _CLAUSE.split(statement) if words.denies(clause)]
        return all(any(_half_of(own, clause, words) for clause in denied) for own in own_denials)
    own = {word for word in words_of(statement) if _is_content(word, words)}
    return not any(
        _stands_in(word, list(own)) for clause in denied for word in words_of(clause) if _is_content(word, words)
    )


def _half_of(clause: str, told: str, words: LanguageWords) -> bool:
    content = [word for word in words_of(clause) if _is_content(word, words)]
    said = words_of(told)
    return 2 * sum(_stands_in(word, said) for word in content) > len(content)


def _same_certainty(statement: str, told: str, words: LanguageWords) -> bool:
    if told.rstrip().endswith("?"):
        return False
    decided = words.matches("decisions", statement) and not words.matches("decisions", told)
    settled = re.search(
        r"(?i)\b(?:decided|approved|agreed|beschlossen|entschieden|decidido|décidé|deciso)\b", statement
    )
    if settled and decided:
        return False
    if words.matches("uncertain", told) and not words.matches("uncertain", statement):
        return False
    done = words.matches("past", statement) and not words.matches("past", told)
    future = words.matches("modal", told) or words.matches("promise", told) if "promise" in words.fields else False
    return not (done and future)


def _same_order(statement: str, said: str, words: LanguageWords) -> bool:
    """Whether names come in the order of the sentences: who does something stays in front of whom it is done to."""
    names = [name for name in re.findall(r"[A-ZÀ-Þ][\w'’-]+", statement) if name.casefold() not in words.not_names]
    places = [said.find(name) for name in dict.fromkeys(names)]
    known = [place for place in places if place >= 0]
    return words.language == "de" or known == sorted(known)
