"""The model's share of a summary: it words the chosen sentences, and looks for tasks that the rules do not know."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from gateway.summaries.bounded_chat import BoundedChat, merged
from gateway.summaries.chat_protocol import ChatRequest, Done, PromptProgress, TextDelta
from gateway.summaries.evidence import Point, point
from gateway.summaries.grounding import is_borne_out, keeps_enough, words_of
from gateway.summaries.items import Item, is_new
from gateway.summaries.retelling import item, sentence
from gateway.summaries.salience import Candidate
from gateway.summaries.spoken_task import SpokenTask
from gateway.summaries.styles import Style
from gateway.summaries.transcript_reading import TranscriptReading
from gateway.summaries.vocabulary import vocabulary_of
from gateway.summaries.wording import points_request, read_model_tasks, read_points, shown, tasks_request

POINTS_AT_ONCE = 6  # sentences that are asked about in one request
TASKS_AT_ONCE = 8
PROMPT_TOKENS = 300  # of the instructions around the sentences, at most
MOST_BATCHES = 4  # of candidates for tasks, for a model on this machine; the likeliest of a long recording
MORE_BATCHES = 40  # for a server of its own
AROUND = 4  # sentences whose words a statement may use besides its own sentence's


@dataclass(frozen=True, slots=True)
class WorkProgress:
    done: int  # requests
    total: int
    percent: int = 0  # of the prompt that has been read, where there is one request


@dataclass(frozen=True)
class ModelWork:
    chat: BoundedChat
    reading: TranscriptReading
    language: str  # as the prompt names it
    density: float  # tokens that the text's language needs for one of English
    answered: list[str] = field(default_factory=list)  # models, of every answer

    @property
    def model(self) -> str:
        """The one that answered, or the one that is served where none had to."""
        return self.answered[-1] if self.answered else self.chat.served.model

    async def word(self, style: Style) -> AsyncGenerator[Point | WorkProgress, None]:
        """The points of a summary, in the order in which they were said."""
        chosen = self.reading.chosen(style)
        if self.reading.is_short:
            for candidate in chosen:
                yield self._retold(candidate)
            return
        waiting = {candidate.index: candidate for candidate in chosen}
        batches = self._batches([candidate.index for candidate in chosen if candidate.topic is None], POINTS_AT_ONCE)
        async with aclosing(self._answers([self._points_request(batch) for batch in batches])) as answers:
            async for answer in answers:
                if isinstance(answer, WorkProgress):
                    yield answer
                    continue
                place, text = answer
                reached = [waiting.pop(index) for index in list(waiting) if index <= batches[place][-1]]
                for one in await self._checked(reached, text):
                    yield one
        for candidate in waiting.values():
            yield self._retold(candidate)

    async def find_tasks(self) -> AsyncGenerator[SpokenTask | WorkProgress, None]:
        """Tasks that the rules did not read, of sentences that may give one."""
        most = MOST_BATCHES if self.chat.served.reports_progress else MORE_BATCHES
        batches = self._batches(self._unread(most * TASKS_AT_ONCE), TASKS_AT_ONCE)
        requests = [self._tasks_request(batch) for batch in batches]
        kept: list[Item] = [item(task) for task in self.reading.tasks]
        async with aclosing(self._answers(requests)) as answers:
            async for answer in answers:
                if isinstance(answer, WorkProgress):
                    yield answer
                    continue
                place, text = answer
                numbers = [self.reading.utterances[index].number for index in batches[place]]
                for told in read_model_tasks(text, numbers):
                    index = batches[place][numbers.index(told.sentence)]
                    task = self._believed(index, told.owner, told.task, told.due)
                    if task is not None and is_new(item(task), kept):
                        kept.append(item(task))
                        yield task

    async def _checked(self, chosen: Sequence[Candidate], answer: str) -> list[Point]:
        """What is borne out; the rest is asked again once, and then told in the words of its sentence."""
        told = self._borne_out(chosen, answer)
        missing = [one for one in chosen if one.index not in told and one.topic is None]
        if missing and told:
            request = self._points_request([candidate.index for candidate in missing])
            async with aclosing(self._answers([request])) as answers:
                async for again in answers:
                    if not isinstance(again, WorkProgress):
                        told |= self._borne_out(missing, again[1])
        return [told.get(candidate.index) or self._retold(candidate) for candidate in chosen]

    def _borne_out(self, chosen: Sequence[Candidate], answer: str) -> dict[int, Point]:
        said = self.reading.utterances
        worded = read_points(answer, [said[candidate.index].number for candidate in chosen])
        found: dict[int, Point] = {}
        for candidate in chosen:
            text = worded.get(said[candidate.index].number, "")
            if sentence(text) == sentence(said[candidate.index].text):
                found[candidate.index] = self._retold(candidate)  # it has nothing to add to the sentence
            elif candidate.topic is None and self._says_what_is_said(candidate, text):
                found[candidate.index] = point(sentence(text), [said[candidate.index]])
        return found

    def _says_what_is_said(self, candidate: Candidate, text: str) -> bool:
        said, index, words = self.reading.utterances, candidate.index, candidate.words
        group = words.is_of_a_group(said[index].text)  # what "we" do is not what the speaker does
        told = said[index].text if group else f"{self.reading.named(index)} {said[index].text}"
        around = said[max(0, index - AROUND) : index + AROUND + 1]
        near = " ".join(other.text if group else str(other) for other in around)
        speaks_to_somebody = bool(self.reading.people.called(text))
        if not self._well_formed(text, told) or speaks_to_somebody or not keeps_enough(text, said[index].text, words):
            return False
        return is_borne_out(text, told, near, words)

    def _well_formed(self, text: str, told: str) -> bool:
        """One statement, not much longer than what it tells."""
        if not text or re.search(r"[\[\]{}<>‹›*#|`]|\n", text) or text.rstrip().endswith(("?", ":")):
            return False
        return len(words_of(text)) <= 1.5 * len(words_of(told)) + 4

    def _retold(self, candidate: Candidate) -> Point:
        return point(self.reading.retold(candidate), self.reading.rests_on(candidate))

    def _believed(self, index: int, owner: str, task: str, due: str) -> SpokenTask | None:
        """A task of the model's, if its sentence has its words, and says so of the future."""
        said = self.reading.utterances[index]
        words = vocabulary_of(said.text, self.reading.language)
        speaker = self.reading.named(index)
        plain = re.sub(r"[.!]+$", "", task)
        if not plain or words.denies(said.text) or words.matches("uncertain", said.text):
            return None
        if not is_borne_out(plain, said.text, "", words) or words.matches("past", said.text):
            return None
        if owner and owner.casefold() not in f"{said.text} {speaker}".casefold():
            return None
        own = words.is_first_person(said.text)
        if own and owner not in ("", speaker):
            return None
        if not own and (owner == speaker or not self.reading.people.is_name(owner)):
            owner = ""
        if not own and not owner and not words.matches("modal", said.text):
            return None
        timed = words.due.search(due)
        due = timed[0].strip() if timed and timed[0].casefold() in said.text.casefold() else ""
        return SpokenTask(plain.replace(due, "").strip(" ,()") if due else plain, owner, due, said.number)

    def _unread(self, most: int) -> list[int]:
        """Indices of sentences without a task that have a time or a modal verb, and somebody who could do it."""
        reading, found = self.reading, []
        given = {task.sentence for task in reading.tasks}
        for candidate in reading.candidates:
            said, words = reading.utterances[candidate.index], candidate.words
            signs = bool(words.due.search(said.text)) + words.matches("modal", said.text)
            named = re.match(rf"({words.names})\s", words.filler.sub("", said.text))
            someone = words.is_first_person(said.text) or (named and reading.people.is_name(named[1]))
            barred = words.matches("past", said.text) or words.matches("rules", said.text) or words.denies(said.text)
            if said.number not in given and signs and someone and not barred:
                found.append((signs + candidate.score / 10, candidate.index))
        return sorted(index for _, index in sorted(found, reverse=True)[:most])

    def _batches(self, indices: Sequence[int], most: int) -> list[list[int]]:
        """Each with room for its sentences and the answer in the model's context."""
        room = (self.chat.served.context - PROMPT_TOKENS) / self.density * 3  # characters
        batches: list[list[int]] = []
        size = 0.0
        for index in indices:
            said = self.reading.utterances[max(0, index - 2) : index + 3]
            length = sum(min(600, len(utterance.text)) + 12 for utterance in said) + 240
            if not batches or len(batches[-1]) == most or size + length > room:
                batches.append([])
                size = 0.0
            batches[-1].append(index)
            size += length
        return batches

    def _points_request(self, batch: Sequence[int]) -> ChatRequest:
        numbers = [self.reading.utterances[index].number for index in batch]
        return points_request(self._shown(batch), numbers, self.language, self.density)

    def _tasks_request(self, batch: Sequence[int]) -> ChatRequest:
        numbers = [self.reading.utterances[index].number for index in batch]
        return tasks_request(self._shown(batch), numbers, self.density)

    def _shown(self, batch: Sequence[int]) -> str:
        near = {place for index in batch for place in range(index - 2, index + 3)}
        known = [place for place in near if 0 <= place < len(self.reading.utterances)]
        return shown(self.reading.utterances, batch, {place: self.reading.named(place) for place in known})

    async def _answers(self, requests: Sequence[ChatRequest]) -> AsyncGenerator[tuple[int, str] | WorkProgress, None]:
        """Every answer with the place of its request, and how far it all is."""
        total = len(requests)
        if total > 1:
            yield WorkProgress(0, total)
        texts = [""] * total
        async with aclosing(merged([self.chat.ask(request) for request in requests])) as parts:
            async for place, part in parts:
                if isinstance(part, PromptProgress) and total == 1:
                    yield WorkProgress(0, 1, round(100 * part.fraction))
                elif isinstance(part, TextDelta):
                    texts[place] += part.text
                elif isinstance(part, Done):
                    self.answered.append(part.model)
                    yield place, texts[place]
                    if total > 1:
                        yield WorkProgress(place + 1, total)
