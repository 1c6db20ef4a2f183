from __future__ import annotations

import re

import pytest

from gateway.summaries.chat_protocol import SummarizerFailed
from gateway.summaries.styles import STYLES
from gateway.summaries.summarizer import Summarizer, Summary, SummaryDelta, SummaryEvent, SummaryStage
from tests.unit.gateway.summaries.chat_fakes import FakeServer, chunk, whole

SENTENCE = "Priya will fix the refunds by Friday because the payment tests are not finished yet. "
LONG = SENTENCE * 300  # 4500 words


async def progress_of(server: FakeServer, text: str, style: str = "brief") -> list[SummaryEvent]:
    return [event async for event in Summarizer(server).summarize(text, STYLES[style])]


async def summary_of(server: FakeServer, text: str, style: str = "brief") -> Summary:
    last = (await progress_of(server, text, style))[-1]
    assert isinstance(last, Summary)
    return last


async def test_a_short_text_is_asked_once() -> None:
    server = FakeServer(lambda _: [chunk("Priya "), chunk("fixes it."), chunk(None, "stop")])

    *progress, summary = await progress_of(server, SENTENCE)

    assert summary == Summary("Priya fixes it.", "brief", "spoken-1b")
    assert [event.text for event in progress if isinstance(event, SummaryDelta)] == ["Priya ", "fixes it."]
    assert len(server.asked) == 1


async def test_the_language_of_the_text_is_asked_for() -> None:
    server = FakeServer(lambda _: whole("Gut."))

    await summary_of(server, "Wir haben über den Preis gesprochen und das ist nicht so einfach, auch wenn es geht.")

    assert "in German" in server.asked[0]["messages"][-1]["content"]


async def test_a_long_text_goes_in_pieces_and_its_notes_are_summarised() -> None:
    server = FakeServer(lambda prompt: whole("- A note." if "one part" in prompt else "The end."), context=2000)

    progress = await progress_of(server, LONG)

    stages = [event for event in progress if isinstance(event, SummaryStage) and event.name == "notes"]
    assert stages[-1].done == stages[-1].total > 2
    assert progress[-1] == Summary("The end.", "brief", "spoken-1b")
    assert server.asked[-1]["messages"][-1]["content"].count("- A note.") == stages[-1].total


@pytest.mark.parametrize("style", ["detailed", "bullet_points"])
async def test_every_part_of_a_long_text_is_told_by_itself_in_its_order(style: str) -> None:
    server = FakeServer(lambda prompt: whole(f"- Up to {re.findall(r'Day ([0-9]+)', prompt)[-1]}."), context=2000)

    progress = await progress_of(server, " ".join(f"Day {n} was a quiet one." for n in range(1500)), style)

    summary, stages = progress[-1], [event for event in progress if isinstance(event, SummaryStage)]
    assert isinstance(summary, Summary)
    days = [int(day) for day in re.findall("Up to ([0-9]+)", summary.text)]
    assert days == sorted(days)
    assert days[-1] == 1499
    assert len(days) == stages[-1].done == stages[-1].total == len(server.asked) > 3


async def test_every_question_fits_the_context() -> None:
    server = FakeServer(lambda prompt: whole("- A note." if "one part" in prompt else "The end."), context=2000)

    await summary_of(server, LONG, "detailed")

    for asked in server.asked:
        words = sum(len(message["content"].split()) for message in asked["messages"])
        assert words + asked["max_tokens"] <= server.context


async def test_notes_that_do_not_get_shorter_fail_instead_of_going_on_for_ever() -> None:
    server = FakeServer(lambda _: whole("\n".join(f"- Point {n} was made." for n in range(3000))), context=2000)

    with pytest.raises(SummarizerFailed, match="notes"):
        await summary_of(server, LONG)


async def test_action_items_are_lines_with_owner_and_date() -> None:
    items = "- Priya: fix the refunds (by Friday)\n- Olga: buy the blue paint (tomorrow)\n"
    server = FakeServer(lambda prompt: whole("yes" if "yes or no" in prompt else items))

    summary = await summary_of(server, SENTENCE, "action_items")

    assert summary.text == "- Priya: fix the refunds (by Friday)"


async def test_no_action_items_are_none_and_no_list_is_asked_for() -> None:
    server = FakeServer(lambda _: whole("No."))

    assert (await summary_of(server, SENTENCE, "action_items")).text == "none"
    assert len(server.asked) == 1


async def test_a_task_that_is_in_two_pieces_is_listed_once() -> None:
    line = "- Priya: fix the refunds (by Friday)"
    server = FakeServer(lambda prompt: whole("yes" if "yes or no" in prompt else f"{line}\n"), context=2000)

    assert (await summary_of(server, LONG, "action_items")).text == line


async def test_a_model_that_goes_round_in_circles_is_stopped() -> None:
    server = FakeServer(lambda _: [chunk("- The same.\n") for _ in range(50)] + [chunk(None, "stop")])

    summary = await summary_of(server, SENTENCE, "bullet_points")

    assert summary.text == "- The same."


async def test_an_empty_answer_fails() -> None:
    with pytest.raises(SummarizerFailed, match="nothing"):
        await summary_of(FakeServer(lambda _: whole("  \n")), SENTENCE)
