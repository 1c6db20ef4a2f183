"""The words of a task, out of the clause that gives it."""

from __future__ import annotations

import re

from gateway.summaries.vocabulary import LanguageWords

TRIM = " ,.;:!?-–—…\"'“”„«»"
_REFERENCES = "it that this those these them both das es beides lo eso ça cela itu dat"
_ALONE = "so do dies machen esto hacerlo le faire ini melakukannya het doen isso fazer questo quello farlo be there"
_POINTING = frozenset(("that", "this", "these", "those", "das", "itu", "dat"))  # with a noun, too: "das Lager"
_ADVERBS = frozenset(("up", "on", "off", "out", "over", "away", "back", "in", "by", "to", "for", "with", "again"))
_ONLY_A_PRONOUN = frozenset(f"{_REFERENCES} {_ALONE}".split())
_POLITE = re.compile(
    r"[\s,]*\b(?:please|bitte|por favor|s'il (?:te|vous) plaît|per favore|alsjeblieft|alstublieft|ya)\s*[.?!]*$",
    re.IGNORECASE,
)
_POLITE_INSIDE = re.compile(r",\s*(?:please|bitte|por favor|s'il (?:te|vous) plaît|per favore)\s*,", re.IGNORECASE)
_DANGLING = re.compile(r",?\s*\bbut\s*$|\s+(?:and|und|y|et|e|en|dan)\s*$")


def is_pronoun(task: str) -> bool:
    """Whether a task is no more than "do that"."""
    return all(word in _ONLY_A_PRONOUN for word in task.casefold().split())


def refers(task: str) -> bool:
    """Whether a task names what it is about by a pronoun: "set that up", not "clean that room"."""
    said = task.split()
    following = [*said[1:], ""]
    return any(
        word.casefold() in _REFERENCES.split()
        and (word.casefold() not in _POINTING or not after or after.casefold() in _ADVERBS)
        for word, after in zip(said, following, strict=True)
    )


def task_text(task: str, due: str, words: LanguageWords) -> str:
    """Without the date, which is told beside it, and without what is only polite."""
    before, _, after = task.partition(due) if due else (task, "", "")
    text = task if len(after.split()) > 3 and before.strip() else f"{before} {after}"
    text = _DANGLING.sub("", " ".join(_POLITE_INSIDE.sub("", _POLITE.sub("", text)).split()).strip(TRIM))
    quoted = re.search(rf",\s*(?i:{words.fields['quoted']})\s+{words.name}$", text)
    text = text[: quoted.start()] if quoted else text
    return re.sub(r"\s+([,;.])", r"\1", text).strip(TRIM)


def clauses_of(text: str, words: LanguageWords) -> list[str]:
    """Clauses that have a subject of their own."""
    verb = rf"(?i:{words.fields['modal']}|{words.fields['actions']})"
    first = r"(?i:i'll|i will|i(?: also)? [a-z]+|ich \w+|you \w+|je \w+|j'\w+|yo \w+|io \w+|eu \w+|ik \w+|saya \w+)"
    opener = rf"(?:{words.names}\s+{verb}(?!\w)|{first})"
    conjunction = rf"(?i:{words.fields['conjunction']}|but|aber|pero|mais|maar|ma|mas|tapi|while|dann)"
    parts = re.split(rf"([,;–]\s*(?:{conjunction}\s+)?|\s+{conjunction}\s+)(?={opener})", text)
    joined = [parts[0]]
    for separator, part in zip(parts[1::2], parts[2::2], strict=True):
        alone = words.filler.sub("", joined[-1])
        if re.fullmatch(rf"\s*{words.names}\s*", alone) or not alone.strip():
            joined[-1] += separator + part
        else:
            joined.append(part)
    return joined


def base_forms(task: str, words: LanguageWords) -> str:
    """ "orders two phones and sends them" → "order two phones and send them", in English."""
    if words.language != "en":
        return task
    actions = re.compile(words.fields["actions"])

    def base(found: re.Match[str]) -> str:
        verb = found["verb"]
        return found["before"] + (_base_form(verb) if actions.match(verb) else verb)

    return re.sub(r"(?P<before>^|\b(?:and|then) )(?P<verb>[a-z]+s)\b", base, task)


def _base_form(verb: str) -> str:
    irregular = {"does": "do", "has": "have", "goes": "go", "is": "be"}
    if verb in irregular:
        return irregular[verb]
    if verb.endswith("ies") and len(verb) > 4:
        return f"{verb[:-3]}y"
    if re.search(r"(?:ch|sh|ss|x|zz)es$", verb):
        return verb[:-2]
    return verb[:-1]
