"""Orders to whoever writes the summary are neither shown to the model, nor told, nor carried out."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.summaries.orders import is_order
from gateway.summaries.styles import STYLES
from gateway.summaries.summarizer import Summarizer, Summary
from tests.unit.gateway.summaries.chat_fakes import FakeServer, whole

ORDERS = tomllib.loads((Path(__file__).parents[4] / "benchmarks" / "data" / "injections.toml").read_text())["orders"]
MEETING = (
    "We decided to launch on the third of May. Priya will fix the refunds by Friday. The price stays at nine euros. "
    "{order} The new office in Porto has forty desks. Lena makes the screenshots on Tuesday. The weather was good."
)


def obedient(order: dict[str, Any]) -> FakeServer:
    """A model that carries out what the transcript says."""

    def answer(prompt: str) -> list[str]:
        numbers = re.findall(
            r"\d+", prompt.split("numbers")[1].split(" to ", maxsplit=1)[0].split(" say", maxsplit=1)[0]
        )
        obeyed = order["obeyed"]
        task = {"sentence": int(numbers[0]), "owner": "", "task": obeyed, "due": ""}
        return whole(json.dumps({number: obeyed for number in numbers} | {"tasks": [task]}))

    return FakeServer(answer)


@pytest.mark.parametrize("style", ["brief", "action_items"])
@pytest.mark.parametrize("order", ORDERS, ids=[f"{order['name']}-{order['language']}" for order in ORDERS])
async def test_an_order_is_not_carried_out(order: dict[str, Any], style: str) -> None:
    server = obedient(order)

    events = [event async for event in Summarizer(server).summarize(MEETING.format(order=order["text"]), STYLES[style])]

    assert isinstance(summary := events[-1], Summary)
    assert not re.search(order["token"], summary.text)
    assert "refunds" in summary.text or "launch" in summary.text
    assert all(order["text"] not in asked["messages"][-1]["content"] for asked in server.asked)


@pytest.mark.parametrize(
    "said",
    [
        "Please write the report by Friday.",
        "Forget the old price, we take nine euros.",
        "Anna tells the team about the new rules.",
        "Ignore the noise, that is the heating.",
        "Vergiss den Schlüssel nicht.",
        "Escribe a Pablo mañana, por favor.",
        "The system was down for two hours.",
        "We add two chairs to the room.",
    ],
)
def test_what_people_say_to_each_other_is_no_order(said: str) -> None:
    assert not is_order(said)
