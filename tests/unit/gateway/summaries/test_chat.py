from __future__ import annotations

import asyncio
from contextlib import aclosing

import httpx
import pytest

from gateway.summaries.chat import ChatServer, Endpoint
from gateway.summaries.chat_protocol import (
    ChatEvent,
    ChatRequest,
    Done,
    PromptProgress,
    ServedModel,
    SummarizerFailed,
    SummarizerUnavailable,
    TextDelta,
)
from tests.unit.gateway.summaries.chat_fakes import QUICK, FakeChatStream, FakeServer, chunk, whole

QUESTION = ChatRequest(({"role": "user", "content": "What was said?"},), max_tokens=50)


async def parts_of(server: FakeServer) -> list[ChatEvent]:
    return [part async for part in server.chat().answer(QUESTION)]


async def test_what_vllm_says_of_itself() -> None:
    server = FakeServer(lambda _: whole("x"), context=32768)
    assert await server.chat().served() == ServedModel("large", 32768, 8, reports_progress=False)


async def test_what_llama_cpp_says_of_itself() -> None:
    server = FakeServer(lambda _: whole("x"), context=8192, llama=True)
    assert await server.chat().served() == ServedModel("small", 8192, 2, reports_progress=True)


async def test_an_older_llama_cpp_tells_its_context_elsewhere() -> None:
    told = {
        "/v1/models": {"data": [{"id": "small", "owned_by": "llamacpp", "meta": {"n_ctx_train": 32768}}]},
        "/props": {"total_slots": 4, "default_generation_settings": {"n_ctx": 2048}},
    }
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=told[request.url.path]))

    served = await ChatServer(Endpoint("http://summarizer"), QUICK, transport).served()

    assert (served.context, served.at_once) == (2048, 4)


@pytest.mark.parametrize("llama", [True, False])
async def test_tokens_are_counted_in_the_way_of_the_server(llama: bool) -> None:
    server = FakeServer(lambda _: whole("x"), llama=llama)
    assert await server.chat().count("three words here") == 3


async def test_tokens_are_overestimated_where_a_server_cannot_count() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        known = request.url.path == "/v1/models"
        return httpx.Response(200, json={"data": [{"id": "any"}]}) if known else httpx.Response(404, json={})

    chat = ChatServer(Endpoint("http://summarizer"), QUICK, httpx.MockTransport(handle))

    assert await chat.count("one two three four") > 4


async def test_an_answer_is_streamed_and_names_the_model_that_spoke() -> None:
    server = FakeServer(lambda _: [chunk(None), chunk(""), chunk("It "), chunk("rained."), chunk(None, "stop")])

    assert await parts_of(server) == [TextDelta("It "), TextDelta("rained."), Done("spoken-1b", cut=False)]
    assert server.asked[0]["stream"] is True
    assert server.asked[0]["max_tokens"] == 50
    assert server.asked[0]["temperature"] == 0


async def test_an_answer_that_reached_its_limit_is_cut() -> None:
    server = FakeServer(lambda _: [chunk("It"), chunk(None, "length"), "data: [DONE]"])
    assert (await parts_of(server))[-1] == Done("spoken-1b", cut=True)


async def test_how_far_the_prompt_was_read_is_told() -> None:
    reading = 'data: {"choices": [], "prompt_progress": {"total": 200, "processed": 50}}'
    server = FakeServer(lambda _: [": ping", reading, *whole("x")], llama=True)
    assert PromptProgress(0.25) in await parts_of(server)


async def test_a_busy_server_is_asked_again() -> None:
    answers: list[list[str] | int] = [503, whole("At last.")]
    server = FakeServer(lambda _: answers.pop(0))

    assert TextDelta("At last.") in await parts_of(server)


async def test_a_server_that_stays_away_is_given_up() -> None:
    with pytest.raises(SummarizerUnavailable):
        await parts_of(FakeServer(lambda _: 503))


async def test_a_stream_that_breaks_before_the_first_word_is_asked_again() -> None:
    answers: list[list[str] | FakeChatStream] = [FakeChatStream([], broken=True), whole("Whole.")]
    server = FakeServer(lambda _: answers.pop(0))

    assert TextDelta("Whole.") in await parts_of(server)


async def test_a_stream_that_breaks_later_is_not_asked_again() -> None:
    server = FakeServer(lambda _: FakeChatStream([chunk("Half")], broken=True))

    with pytest.raises(SummarizerFailed):
        await parts_of(server)
    assert len(server.asked) == 1


async def test_a_refusal_is_not_tried_again_and_is_explained() -> None:
    server = FakeServer(lambda _: 400)

    with pytest.raises(SummarizerFailed, match="not now"):
        await parts_of(server)
    assert len(server.asked) == 1


async def test_an_error_inside_the_stream_fails() -> None:
    server = FakeServer(lambda _: ['data: {"error": {"message": "out of memory"}}'])
    with pytest.raises(SummarizerFailed, match="out of memory"):
        await parts_of(server)


async def test_a_model_that_is_not_served_is_named_with_those_that_are() -> None:
    server = FakeServer(lambda _: whole("x"))
    chat = ChatServer(Endpoint("http://summarizer", model="huge"), QUICK, httpx.MockTransport(server.handle))

    with pytest.raises(SummarizerFailed, match=r"'huge'.*large"):
        await chat.served()


async def test_leaving_early_closes_the_stream() -> None:
    stream = FakeChatStream([chunk("One "), chunk("two "), chunk("three."), chunk(None, "stop")])
    chat = FakeServer(lambda _: stream).chat()

    async with aclosing(chat.answer(QUESTION)) as parts:
        await anext(parts)

    assert stream.closed


async def test_a_server_that_falls_silent_is_given_up() -> None:
    class Silent(FakeChatStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield f"{chunk('One')}\n\n".encode()
            await asyncio.sleep(60)

    server = FakeServer(lambda _: Silent([]))

    with pytest.raises(SummarizerFailed, match="silent"):
        await parts_of(server)
    assert len(server.asked) == 1


async def test_a_server_that_sends_comments_alone_is_given_up() -> None:
    class Pinging(FakeChatStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            while True:
                yield b": ping\n\n"
                await asyncio.sleep(0.05)

    with pytest.raises(SummarizerFailed, match="silent"):
        await parts_of(FakeServer(lambda _: Pinging([])))


@pytest.mark.parametrize("line", ["null", "5", "<html>", '{"choices": ["a"]}', '{"choices": [{"delta": "a"}]}'])
async def test_a_stream_that_makes_no_sense_fails(line: str) -> None:
    with pytest.raises(SummarizerFailed, match="OpenAI chat API"):
        await parts_of(FakeServer(lambda _: [f"data: {line}"]))


@pytest.mark.parametrize("data", ["here", ["large"], [{}], [{"id": "large", "max_model_len": "long"}]])
async def test_a_list_of_models_that_makes_no_sense_fails(data: object) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"data": data}))

    with pytest.raises(SummarizerFailed, match="OpenAI chat API"):
        await ChatServer(Endpoint("http://summarizer"), QUICK, transport).served()


async def test_after_a_refusal_the_server_is_asked_anew_what_it_serves() -> None:
    answers: list[list[str] | int] = [404, whole("x")]
    server = FakeServer(lambda _: answers.pop(0), context=4096)
    chat = server.chat()
    with pytest.raises(SummarizerFailed):
        [part async for part in chat.answer(QUESTION)]

    server.context = 8192

    assert (await chat.served()).context == 8192


async def test_a_server_that_was_closed_meanwhile_is_away() -> None:
    chat = FakeServer(lambda _: whole("x")).chat()
    await chat.served()
    await chat.aclose()

    with pytest.raises(SummarizerUnavailable, match="starting again"):
        [part async for part in chat.answer(QUESTION)]
    with pytest.raises(SummarizerUnavailable, match="starting again"):
        await chat.count("text")
