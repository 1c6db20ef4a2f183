"""What code reads in a transcript before a model is asked: sentences, who speaks, tasks, what may be told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gateway.summaries.grounding import words_of
from gateway.summaries.items import is_new
from gateway.summaries.orders import without_orders
from gateway.summaries.participants import Participants
from gateway.summaries.retelling import item, retold, sentence
from gateway.summaries.salience import Candidate, Limits, candidates, chosen
from gateway.summaries.spoken_task import SpokenTask
from gateway.summaries.styles import Style
from gateway.summaries.task_rules import read_tasks
from gateway.summaries.utterances import TranscriptSentence
from gateway.summaries.vocabulary import vocabulary_of

FEW_SENTENCES = 3  # are told without the model: there is nothing to choose, and less to get wrong
FEW_WORDS = 60
REMARK_WORDS = 12  # of small talk, which comes back as it is


@dataclass(frozen=True)
class TranscriptReading:
    everything: Sequence[TranscriptSentence]
    language: str | None  # ISO 639-1

    @cached_property
    def utterances(self) -> list[TranscriptSentence]:
        """Without what speaks to the program that reads it."""
        return without_orders(self.everything)

    @cached_property
    def word_count(self) -> int:
        return sum(len(words_of(utterance.text)) for utterance in self.utterances)

    @cached_property
    def people(self) -> Participants:
        sample = " ".join(utterance.text for utterance in self.utterances[:400])
        return Participants(self.utterances, vocabulary_of(sample, self.language))

    @cached_property
    def tasks(self) -> list[SpokenTask]:
        kept: list[SpokenTask] = []
        for task in read_tasks(self.utterances, self.language):
            if is_new(item(task), [item(other) for other in kept]):
                kept.append(task)
        return kept

    @cached_property
    def candidates(self) -> list[Candidate]:
        return candidates(self.utterances, self.language, self.tasks)

    @property
    def is_short(self) -> bool:
        return len(self.utterances) <= FEW_SENTENCES or self.word_count <= FEW_WORDS // 2

    @property
    def is_remark(self) -> bool:
        return self.word_count <= REMARK_WORDS and not self.candidates

    def chosen(self, style: Style) -> list[Candidate]:
        """What a summary in this style rests on."""
        if self.is_remark:
            return [Candidate(i, 0.0, False, vocabulary_of("", self.language)) for i in range(len(self.utterances))]
        words = style.most_words
        if self.word_count > FEW_WORDS:
            words = max(20, min(words, round(style.share * self.word_count)))
        able = self.candidates
        if style.most_points == 1:
            able = [one for one in able if len(words_of(self.utterances[one.index].text)) <= words] or able
        limits = Limits(style.most_points, words, decisions_first=style.most_points <= 3)
        return chosen(able, self.utterances, limits) or self._plainest()

    def named(self, index: int) -> str:
        """Who speaks, where a name or a label is known."""
        return self.people.speaker(index)

    def tasks_of(self, index: int) -> list[SpokenTask]:
        return [task for task in self.tasks if task.sentence == self.utterances[index].number]

    def retold(self, candidate: Candidate) -> str:
        utterance = self.utterances[candidate.index]
        if self.is_remark or not self.candidates:
            return utterance.text
        named = self.named(candidate.index) if utterance.speaker else ""
        text = retold(utterance, named, candidate.words, self.tasks_of(candidate.index))
        if candidate.topic is None:
            return text
        topic = sentence(candidate.words.connective.sub("", self.utterances[candidate.topic].text))
        if topic.endswith("?"):
            return f"{topic} – {text}"
        begins = text if re.match(r"\w+: |I\b", text) else text[:1].lower() + text[1:]
        return f"{topic.rstrip('.。')}: {begins}"

    def rests_on(self, candidate: Candidate) -> list[TranscriptSentence]:
        places = [candidate.index] if candidate.topic is None else [candidate.topic, candidate.index]
        return [self.utterances[place] for place in places]

    def _plainest(self) -> list[Candidate]:
        """Of small talk, the sentence that says most."""
        if not self.utterances:
            return []
        longest = max(range(len(self.utterances)), key=lambda index: len(words_of(self.utterances[index].text)))
        text = self.utterances[longest].text
        return [Candidate(longest, 0.0, False, vocabulary_of(text, self.language))]
