"""Text in, summary out: asks the model once, or piece by piece where the text is longer than its context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from gateway.api.summary import SummaryStageName
from gateway.summaries.bounded_chat import BoundedChat, merged
from gateway.summaries.chat_protocol import ChatEvent, ChatRequest, Done, PromptProgress, SummarizerFailed, TextDelta
from gateway.summaries.items import NONE, Item, ItemReader, is_new
from gateway.summaries.language import detect_language
from gateway.summaries.repetition import tidied
from gateway.summaries.servers import SummaryServer
from gateway.summaries.splitting import split
from gateway.summaries.styles import ACTION_ITEMS, HAS_ACTION_ITEMS, NOTES, PromptSpec, Style, messages
from speech import languages

LARGEST_PIECE = 2000  # tokens: of a longer one a small model remembers little but the end
LARGEST_NOTES = 6000  # tokens: they are short and plain
PROMPT_TOKENS = 450  # of the instructions around a transcript, at most
CHARACTERS_PER_TOKEN = 4.0  # of English; a language with fewer gets more tokens for its answer
DENSEST = 3.0  # times as many, at most
SHORTEST_ANSWER = 64  # tokens
FEWEST_WORDS, MOST_WORDS = 40, 300  # of a detailed summary
PART_WORDS = 80  # of a detailed summary of a long text, for every piece
PART_TOKENS = 200  # of the answer to one piece, in English
SMALLEST_CONTEXT = 400  # tokens beside the instructions
UNKNOWN_LANGUAGE = "the language of the transcript"


@dataclass(frozen=True, slots=True)
class SummaryStage:
    name: SummaryStageName  # "reading": percent of the prompt; "notes" and "writing": pieces of a long text
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class SummaryDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    text: str
    style: str
    model: str  # the one that wrote it


SummaryEvent = SummaryStage | SummaryDelta | Summary


class Summarizer:
    def __init__(self, server: SummaryServer) -> None:
        self.server = server
        self._turns: dict[int, asyncio.Semaphore] = {}

    async def summarize(
        self, text: str, style: Style, language: str | None = None
    ) -> AsyncGenerator[SummaryEvent, None]:
        """Stages, then the text as it is written, at last the whole Summary.

        language: ISO 639-1 code of the text's language; found from the text if not given
        raises: SummarizerUnavailable, SummarizerFailed
        """
        chat = self.server.chat()
        served = await chat.served()
        turns = self._turns.setdefault(served.at_once, asyncio.Semaphore(served.at_once))
        named = _named(language or detect_language(text))
        tokens = await chat.count(text)
        job = _SummaryJob(BoundedChat(chat, served, turns), style, named, _density(text, tokens), tokens)
        async with aclosing(job.progress(text)) as progress:
            async for event in progress:
                yield event


@dataclass(frozen=True, slots=True)
class _SummaryJob:
    chat: BoundedChat
    style: Style
    language: str  # as the prompt names it
    density: float  # tokens that the text's language needs for one of English
    tokens: int  # of the text

    def progress(self, text: str) -> AsyncGenerator[SummaryEvent, None]:
        if self.style is ACTION_ITEMS:
            return self._items(text)
        return self._parts(text) if self.style.part_lines else self._whole(text)

    async def _whole(self, text: str) -> AsyncGenerator[SummaryEvent, None]:
        """Of a long text, notes are written on every piece, and the style is applied to the notes."""
        largest = LARGEST_PIECE
        while len(pieces := await self._pieces(text, self._notes_tokens(), largest)) > 1:
            yield SummaryStage("notes", 0, len(pieces))
            notes = [""] * len(pieces)
            spec = PromptSpec(NOTES, self.language, lines=NOTES.max_lines)
            async with aclosing(self._ask_all(pieces, spec, self._notes_tokens())) as answers:
                async for index, part in answers:
                    if isinstance(part, TextDelta):
                        notes[index] += part.text
                    elif isinstance(part, Done):
                        notes[index] = tidied(notes[index], part.cut)
                        yield SummaryStage("notes", index + 1, len(pieces))
            shorter = "\n".join(notes)
            if len(shorter) >= 0.9 * len(text):
                raise SummarizerFailed("The summarizer's notes are as long as the text itself.")
            text, largest = shorter, LARGEST_NOTES
        async with aclosing(self._write(pieces[0])) as progress:
            async for event in progress:
                yield event

    async def _parts(self, text: str) -> AsyncGenerator[SummaryEvent, None]:
        """Of a long text, every piece is told by itself, so that its beginning and middle are not lost."""
        pieces = await self._pieces(text, self._part_tokens(), LARGEST_PIECE)
        if len(pieces) == 1:
            async with aclosing(self._write(text)) as progress:
                async for event in progress:
                    yield event
            return
        yield SummaryStage("writing", 0, len(pieces))
        model, told = self.chat.served.model, [""] * len(pieces)
        spec = PromptSpec(self.style, self.language, PART_WORDS, self.style.part_lines)
        async with aclosing(self._ask_all(pieces, spec, self._part_tokens())) as answers:
            async for index, part in answers:
                if isinstance(part, TextDelta):
                    told[index] += part.text
                    yield SummaryDelta(part.text)
                elif isinstance(part, Done):
                    told[index], model = tidied(told[index], part.cut), part.model
                    yield SummaryDelta("\n")
                    yield SummaryStage("writing", index + 1, len(pieces))
        summary = tidied("\n".join(told), cut=False)
        if not summary:
            raise SummarizerFailed("The summarizer wrote nothing.")
        yield Summary(summary, self.style.name, model)

    async def _write(self, text: str) -> AsyncGenerator[SummaryEvent, None]:
        written = ""
        async with aclosing(self.chat.ask(self._request(text, self.style, self._answer_tokens()))) as parts:
            async for part in parts:
                if isinstance(part, PromptProgress):
                    yield SummaryStage("reading", round(100 * part.fraction), 100)
                elif isinstance(part, TextDelta):
                    if not written:
                        yield SummaryStage("writing")
                    written += part.text
                    yield SummaryDelta(part.text)
                else:
                    summary = tidied(written, part.cut)
                    if not summary:
                        raise SummarizerFailed("The summarizer wrote nothing.")
                    yield Summary(summary, self.style.name, part.model)

    async def _items(self, text: str) -> AsyncGenerator[SummaryEvent, None]:
        """Of every piece by itself: a note about a task would only blur who has it."""
        pieces = await self._pieces(text, self._answer_tokens(), LARGEST_PIECE)
        if len(pieces) > 1:
            yield SummaryStage("notes", 0, len(pieces))
        readers = [ItemReader(piece) for piece in pieces]
        found: list[Item] = []
        model = self.chat.served.model
        async with aclosing(merged([self._ask_items(piece) for piece in pieces])) as answers:
            async for index, part in answers:
                if isinstance(part, PromptProgress):
                    if len(pieces) == 1:
                        yield SummaryStage("reading", round(100 * part.fraction), 100)
                    continue
                for item in readers[index].feed(part.text if isinstance(part, TextDelta) else "\n"):
                    if is_new(item, found):
                        found.append(item)
                        yield SummaryDelta(f"{item}\n")
                if isinstance(part, Done):
                    model = part.model
                    if len(pieces) > 1:
                        yield SummaryStage("notes", index + 1, len(pieces))
        yield Summary("\n".join(map(str, found)) or NONE, self.style.name, model)

    async def _ask_items(self, piece: str) -> AsyncGenerator[ChatEvent, None]:
        """Whether there are any comes first: a small model that is asked for a list writes one, out of nothing."""
        said = ""
        async with aclosing(self.chat.ask(self._request(piece, HAS_ACTION_ITEMS, 4))) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    said += part.text
                elif isinstance(part, PromptProgress) or said.strip().lower().startswith("no"):
                    yield part
        if said.strip().lower().startswith("no"):
            return
        async with aclosing(self.chat.ask(self._request(piece, self.style, self._answer_tokens()))) as parts:
            async for part in parts:
                yield part

    async def _pieces(self, text: str, answer: int, largest: int) -> list[str]:
        """The text if it is short enough to be read whole, else pieces with room for an answer to each.

        answer: tokens
        largest: tokens of a piece
        """
        room, count = self._room(), self.chat.server.count
        if room < SMALLEST_CONTEXT:
            raise SummarizerFailed(f"The summarizer's context of {self.chat.served.context} tokens is too small.")
        if await count(text) <= min(largest, room - self._answer_tokens()):
            return [text]
        return await split(text, min(largest, room - answer), count)

    def _room(self) -> int:
        return self.chat.served.context - PROMPT_TOKENS

    def _answer_tokens(self) -> int:
        """No more than the text itself has, so that there is nothing to fill up with inventions."""
        longest = min(self._room() // 2, max(SHORTEST_ANSWER, self.tokens))
        return min(round(self.style.max_tokens * self.density), longest)

    def _words(self) -> int:
        """Of a detailed summary: a third of the text, in steps of ten."""
        return 10 * round(min(MOST_WORDS, max(FEWEST_WORDS, self.tokens / self.density / 3)) / 10)

    def _notes_tokens(self) -> int:
        return min(round(NOTES.max_tokens * self.density), self._room() // 4)

    def _part_tokens(self) -> int:
        return min(round(PART_TOKENS * self.density), self._room() // 4)

    def _ask_all(self, pieces: list[str], spec: PromptSpec, tokens: int) -> AsyncGenerator[tuple[int, ChatEvent], None]:
        requests = [ChatRequest(messages(spec, piece), tokens, spec.lines) for piece in pieces]
        return merged([self.chat.ask(request) for request in requests])

    def _request(self, text: str, style: Style, tokens: int) -> ChatRequest:
        spec = PromptSpec(style, self.language, self._words())
        return ChatRequest(messages(spec, text), tokens, style.max_lines)


def _named(language: str | None) -> str:
    return languages.NAMES[language].title() if language in languages.NAMES else UNKNOWN_LANGUAGE


def _density(text: str, tokens: int) -> float:
    return min(DENSEST, max(1.0, CHARACTERS_PER_TOKEN * tokens / max(1, len(text))))
