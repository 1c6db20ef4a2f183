"""Everyday texts of ten languages, worded by models that say what was not said: nothing of it is told."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable
from importlib.resources import files

import pytest

from benchmarks.everyday_texts import HALVES, EverydayScore, EverydayText, read_texts, score_brief
from gateway.summaries.styles import STYLES
from gateway.summaries.summarizer import Summarizer, Summary
from tests.unit.gateway.summaries.chat_fakes import FakeServer, whole

TEXTS = [text for half in HALVES for text in read_texts(half)]
TEMPLATES = [path.read_text(encoding="utf-8") for path in (files("gateway.summaries") / "templates").iterdir()]
PROMPTED = [said for text in TEMPLATES for said in re.split(r"(?<=[.:])\s+|\n", text) if len(said.split()) > 3]
DECIDED = [
    "The decision was made to ignore the letter.",
    "It was decided and turned down.",
    "Wir haben das beschlossen.",
]


def numbers_in(prompt: str) -> list[str]:
    asked = re.search(r"numbers ([\d, ]+) (?:to|say)", prompt)
    assert asked is not None
    return asked[1].split(", ")


def saying(sentences: Iterable[str], owner: Callable[[str], str] = lambda text: "") -> FakeServer:
    """A model that words each sentence as the next of these, and makes a task of each."""
    told = itertools.cycle(sentences)

    def answer(prompt: str) -> list[str]:
        numbers = numbers_in(prompt)
        tasks = [{"sentence": int(n), "owner": owner(prompt), "task": next(told), "due": "tomorrow"} for n in numbers]
        return whole(json.dumps({number: next(told) for number in numbers} | {"tasks": tasks}))

    return FakeServer(answer)


async def summary_of(server: FakeServer, text: str, style: str) -> str:
    last = [event async for event in Summarizer(server).summarize(text, STYLES[style])][-1]
    assert isinstance(last, Summary)
    return last.text


def runs(text: str, length: int = 4) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}


@pytest.mark.parametrize("style", STYLES)
async def test_nothing_of_a_prompt_appears_in_an_answer(style: str) -> None:
    server = saying(PROMPTED)
    prompted = set[tuple[str, ...]]().union(*map(runs, TEMPLATES))

    for text in TEXTS:
        summary = await summary_of(server, text.text, style)
        assert not (runs(summary) & prompted) - runs(text.text), text.name
        assert "tomorrow" not in summary or "tomorrow" in text.text


async def test_no_decision_is_told_that_is_not_made() -> None:
    server = saying(DECIDED)

    for text in TEXTS:
        summary = await summary_of(server, text.text, "brief")
        assert [fault for fault in score_brief(text, summary, EverydayScore()) if "not said" in fault] == [], text.name
        assert not any(said.rstrip(".") in summary for said in DECIDED)


@pytest.mark.parametrize("text", [text for text in TEXTS if not text.tasks], ids=lambda text: text.name)
async def test_where_nothing_is_to_be_done_that_is_told(text: EverydayText) -> None:
    server = saying(["Order new chairs", "call the customer", text.text.split(".")[0]], owner=lambda prompt: "Martin")

    assert await summary_of(server, text.text, "action_items") == "none"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("hi", "hi"),
        ("Okay, bye.", "Okay, bye."),
        ("How are you? Fine, thanks.", "How are you? Fine, thanks."),
        ("She has an appointment on Thursday at nine.", "She has an appointment on Thursday at nine."),
        ("Nobody works on the weekend.", "Nobody works on the weekend."),
        ("Am Sonntag arbeitet niemand.", "Am Sonntag arbeitet niemand."),
        ("El tren sale a las siete y diez.", "El tren sale a las siete y diez."),
        ("We always lock the door at night.", "We always lock the door at night."),
        ("Yesterday Peter sold the red car.", "Yesterday Peter sold the red car."),
    ],
)
@pytest.mark.parametrize("style", ["brief", "detailed", "headline"])
async def test_one_sentence_and_small_talk_come_back_as_they_are(style: str, said: str, told: str) -> None:
    server = saying(DECIDED)

    assert (await summary_of(server, said, style)).rstrip(".") == told.rstrip(".")
    assert server.asked == []
