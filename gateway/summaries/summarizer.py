"""Text in, summary out: code chooses the sentences, a model words them, and code checks its words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from gateway.api.summary import SummaryStageName
from gateway.summaries.bounded_chat import BoundedChat
from gateway.summaries.chat_protocol import SummarizerFailed
from gateway.summaries.evidence import Point, point
from gateway.summaries.items import NONE
from gateway.summaries.language import detect_language
from gateway.summaries.model_work import ModelWork, WorkProgress
from gateway.summaries.retelling import item
from gateway.summaries.servers import SummaryServer
from gateway.summaries.styles import ACTION_ITEMS, DETAILED, HEADLINE, Style
from gateway.summaries.transcript_reading import TranscriptReading
from gateway.summaries.utterances import SpokenSegment, utterances_of_segments, utterances_of_text
from speech import languages

CHARACTERS_PER_TOKEN = 4.0  # of English; a language with fewer gets more tokens for its answer
DENSEST = 3.0  # times as many, at most
SAMPLE = 8_000  # characters whose tokens are counted
SMALLEST_CONTEXT = 700  # tokens
PARAGRAPH = 4  # sentences of a detailed summary
ONLY_ORDERS = "The text only speaks to the program that reads it."
UNKNOWN_LANGUAGE = "the language of the transcript"

_SPACELESS_END = re.compile(r"^[\u3040-\u30ff\u3400-\u9fff]")


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
    model: str  # the one that is served
    points: tuple[Point, ...] = ()  # what it says, in its order


SummaryEvent = SummaryStage | SummaryDelta | Summary


class Summarizer:
    def __init__(self, server: SummaryServer) -> None:
        self.server = server
        self._turns: dict[int, asyncio.Semaphore] = {}

    async def summarize(
        self, text: str | Sequence[SpokenSegment], style: Style, language: str | None = None
    ) -> AsyncGenerator[SummaryEvent, None]:
        """Stages, then the text as it is written, at last the whole Summary.

        language: ISO 639-1 code of the text's language; found from the text if not given
        raises: SummarizerUnavailable, SummarizerFailed
        """
        chat = self.server.chat()
        served = await chat.served()
        if served.context < SMALLEST_CONTEXT:
            raise SummarizerFailed(f"The summarizer's context of {served.context} tokens is too small.")
        turns = self._turns.setdefault(served.at_once, asyncio.Semaphore(served.at_once))
        whole = text if isinstance(text, str) else "\n".join(segment.text for segment in text)
        language = language or detect_language(whole)
        reading = await asyncio.to_thread(_read, text, language)
        sample = whole[:SAMPLE]
        density = _density(sample, await chat.count(sample)) if not reading.is_short else 1.0
        work = ModelWork(BoundedChat(chat, served, turns), reading, _named(language), density)
        job = _list_tasks(work) if style is ACTION_ITEMS else _tell(work, style)
        async with aclosing(job) as events:
            async for event in events:
                yield event


def _read(text: str | Sequence[SpokenSegment], language: str | None) -> TranscriptReading:
    """In a thread: hours of speech take seconds."""
    sentences = utterances_of_text(text) if isinstance(text, str) else utterances_of_segments(text)
    reading = TranscriptReading(sentences, language)
    _ = reading.candidates, reading.people
    return reading


async def _list_tasks(work: ModelWork) -> AsyncGenerator[SummaryEvent, None]:
    """Those that are said in so many words, and those that the model finds beside them and that stand the checks."""
    reading, more = work.reading, []
    async with aclosing(work.find_tasks()) as progress:
        async for part in progress:
            if isinstance(part, WorkProgress):
                yield _stage(part, "notes")
            else:
                more.append(part)
    numbered = {utterance.number: utterance for utterance in reading.everything}
    points = []
    for task in sorted([*reading.tasks, *more], key=lambda task: task.sentence):
        points.append(point(str(item(task)), [numbered[task.sentence]]))
        yield SummaryDelta(f"{points[-1].text}\n")
    told = "\n".join(one.text for one in points) or NONE
    bare = tuple(point(one.text.removeprefix("- "), [numbered[one.sentences[0]]]) for one in points)
    yield Summary(told, ACTION_ITEMS.name, work.model, bare)


async def _tell(work: ModelWork, style: Style) -> AsyncGenerator[SummaryEvent, None]:
    points: list[Point] = []
    written = ""
    async with aclosing(work.word(style)) as progress:
        async for part in progress:
            if isinstance(part, WorkProgress):
                yield _stage(part, "writing" if style is DETAILED or style.is_list else "notes")
                continue
            if any(part.text.casefold() == other.text.casefold() for other in points):
                continue
            text = _joined(style, part.text, len(points))
            if not points:
                yield SummaryStage("writing")
            points.append(part)
            written += text
            yield SummaryDelta(text)
    if not points:
        written = ONLY_ORDERS
        yield SummaryDelta(written)
    yield Summary(written.strip(), style.name, work.model, tuple(points))


def _joined(style: Style, text: str, before: int) -> str:
    if style.is_list:
        return f"- {text}\n"
    if style is HEADLINE:
        return f" {text}".rstrip(".。") if before else text.rstrip(".。")
    if not before:
        return text
    if _SPACELESS_END.match(text):
        return text
    return f"\n\n{text}" if style is DETAILED and before % PARAGRAPH == 0 else f" {text}"


def _stage(progress: WorkProgress, pieces: SummaryStageName) -> SummaryStage:
    if progress.total == 1:
        return SummaryStage("reading", progress.percent, 100)
    return SummaryStage(pieces, progress.done, progress.total)


def _named(language: str | None) -> str:
    return languages.NAMES[language].title() if language in languages.NAMES else UNKNOWN_LANGUAGE


def _density(text: str, tokens: int) -> float:
    return min(DENSEST, max(1.0, CHARACTERS_PER_TOKEN * tokens / max(1, len(text))))
