"""Who is meant by "I": the label of the speaker, a name that others call them, or nobody that is known."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from gateway.summaries.utterances import TranscriptSentence
from gateway.summaries.vocabulary import LanguageWords

NEAR = 4  # sentences between a name and the answer of its bearer
_SALUTATION = re.compile(
    r"dear|lieb(?:e|er|es)|sehr|geehrter?|querid[oa]s?|estimad[oa]s?|chère?s?|gentil[ei]|prezad[oa]s?|"
    r"beste|lieve|geachte|yth|kepada|sayang"
)  # "Liebe Eltern, …" speaks to many
_NUMBERED = re.compile(r"\d$|^unknown$", re.IGNORECASE)


class Participants:
    def __init__(self, utterances: Sequence[TranscriptSentence], words: LanguageWords) -> None:
        self._utterances = utterances
        self._words = words
        self._called = self._called_by_others()

    def named(self, speaker: str) -> str:
        """The name that belongs to a label such as "Speaker 2", or the label."""
        return self._called.get(speaker, speaker)

    def speaker(self, index: int) -> str:
        """The name of who says a sentence, or ""."""
        utterance = self._utterances[index]
        if utterance.speaker and not _NUMBERED.search(utterance.speaker):
            return utterance.speaker
        quoted = self._quoted(utterance.text)
        if quoted:
            return quoted
        if utterance.speaker:
            thanked = "" if utterance.speaker in self._called else self._thanked(index)
            return thanked or self.named(utterance.speaker)
        return self._thanked(index) or self._asked(index)

    def addressed(self, index: int) -> str:
        """The name of who is spoken to in a sentence that has none itself, or ""."""
        utterance = self._utterances[index]
        if utterance.speaker:
            following = self._utterances[index + 1 : index + 3]
            others = [other for other in following if other.speaker and other.speaker != utterance.speaker]
            return self.named(others[0].speaker) if others else ""
        return self._asked(index)

    def called(self, text: str) -> str:
        """The name at the beginning or the end of a sentence that speaks to its bearer: "Tom, call", "Can Lena"."""
        words = self._words
        text = words.filler.sub("", text)
        for pattern in (rf"^({words.names})\s*[,，]", rf",\s*({words.name})\s*[.!?]*$"):
            found = re.search(pattern, text)
            if found and self.is_name(found[1]):
                return found[1]
        return ""

    def is_name(self, text: str) -> bool:
        plain = re.sub(rf"^(?i:{self._words.fields['titles']})\s+", "", text)
        plain = re.sub(r"^[OA]s?\s+", "", plain) if self._words.language == "pt" else plain
        first = re.split(r"[\s,'’]+", plain)[0].casefold().strip(".")
        return first not in self._words.not_names and not _SALUTATION.fullmatch(first)

    def _quoted(self, text: str) -> str:
        found = re.search(rf",\s*[\"”»]?(?i:{self._words.fields['quoted']})\s+({self._words.name})\s*[.!?]*$", text)
        return found[1] if found and self.is_name(found[1]) else ""

    def _thanked(self, index: int) -> str:
        """ "Thanks, Ben." within the next two sentences of somebody else."""
        own = self._utterances[index].speaker
        for place, utterance in enumerate(self._utterances[index + 1 : index + 3]):
            if own and utterance.speaker == own:
                return ""
            found = re.match(
                rf"(?i:{self._words.fields['thanks']})\b[^.?]{{0,20}}?[\s,]+({self._words.name})\s*[.!]*$",
                utterance.text,
            )
            if found and self.is_name(found[1].split()[-1]):
                return re.sub(rf"^(?:(?i:{self._words.fields['thanks']}))\s+", "", found[1])
            when = re.match(rf"({self._words.name}),[^.]*\?$", utterance.text)
            if when and self.is_name(when[1]) and not own and place == 0:
                return when[1]
        return ""

    def _asked(self, index: int) -> str:
        """Who was spoken to by name shortly before, where nobody else was since."""
        for before in reversed(self._utterances[max(0, index - NEAR) : index]):
            called = self._called_in(before.text)
            thanks = re.match(rf"(?i:{self._words.fields['thanks']})\b", before.text)
            if called and not thanks:
                return called
            if called:
                return ""
        return ""

    def _called_in(self, text: str) -> str:
        asked = re.match(
            rf"^(?:Can|Could|Will|Would|Kann|Könnte|Puede|Peut|Kan|Può|Pode|Bisa)\s+({self._words.name})\b", text
        )
        if asked and text.endswith("?") and self.is_name(asked[1].split()[0]):
            return asked[1].split()[0]
        return self.called(text)

    def _called_by_others(self) -> dict[str, str]:
        """Labels such as "Speaker 2" to the names with which others speak to them."""
        votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        said = self._utterances
        for index, utterance in enumerate(said):
            called = self._called_in(utterance.text) if utterance.speaker else ""
            if not called:
                continue
            thanks = re.match(rf"(?i:{self._words.fields['thanks']})\b", utterance.text)
            near = said[max(0, index - 6) : index][::-1] if thanks else said[index + 1 : index + 4]
            others = [other.speaker for other in near if other.speaker and other.speaker != utterance.speaker]
            if others and _NUMBERED.search(others[0]):
                votes[others[0]][called] += 1
        sure = {label: names.most_common(1)[0][0] for label, names in votes.items() if _clear(names)}
        return {label: name for label, name in sure.items() if list(sure.values()).count(name) == 1}


def _clear(names: Counter[str]) -> bool:
    (_, first), *others = names.most_common(2)
    return not others or first > others[0][1]
