"""`stt listen` against gateways that leave, break and refuse: real sockets, words that are told by their samples."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from gateway.cli.audio_source import AudioSource
from gateway.cli.display import TranscriptDisplay
from gateway.cli.reconnecting_stream import ListenFailed, ReconnectingStream, ReconnectPolicy, StreamRequest
from speech.audio import SAMPLE_RATE

WORDS = 40
ALL = " ".join(f"w{number}" for number in range(1, WORDS + 1))
WORD, PAUSE = 6400, 1600  # samples
LAG = 1.0  # seconds after a word before it is final
QUICK = ReconnectPolicy(total=20.0, first_pause=0.01, longest_pause=0.05, silence=20.0)


class Session:
    """What a gateway hears of one connection: sample n is part of word n, 0 is silence."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._sound = bytearray()
        self._told = 0

    async def hear(self, seconds: float = np.inf) -> None:
        while len(self._sound) < seconds * 2 * SAMPLE_RATE:
            frame = await self._socket.recv()
            if isinstance(frame, str):
                break
            self._sound += frame
            await self.tell(len(self._sound) / 2 / SAMPLE_RATE - LAG)

    async def tell(self, until: float = np.inf) -> float:
        """Makes words final; returns the second at which the last of them ended."""
        words = [word for word in self._words() if word["end"] <= until]
        for word in words[self._told :]:
            await self.say("transcript", text=word["word"], language="en", words=[word])
        self._told = max(self._told, len(words))
        return float(words[-1]["end"]) if words else 0.0

    async def say(self, kind: str, **fields: object) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def finish(self) -> None:
        await self.tell()
        await self.say("final", duration=len(self._sound) / 2 / SAMPLE_RATE)

    def _words(self) -> list[dict[str, Any]]:
        samples = np.frombuffer(self._sound, "<i2")
        edges = [0, *(np.flatnonzero(np.diff(samples)) + 1), len(samples)]
        return [
            {
                "word": f"w{samples[start]}" if end - start > 0.8 * WORD else "half",
                "start": start / SAMPLE_RATE,
                "end": end / SAMPLE_RATE,
                "confidence": 0.9,
            }
            for start, end in pairwise(edges)
            if samples[start]
        ]


Step = Callable[[ServerConnection, Session], Awaitable[None]]


async def hears_all(socket: ServerConnection, session: Session) -> None:
    await session.hear()
    await session.finish()


async def leaves(socket: ServerConnection, session: Session) -> None:
    await session.hear(seconds=6.6)
    await session.say("error", error="The service restarts")
    end = await session.tell(until=6.5)
    await session.say("final", duration=round(end + PAUSE / 2 / SAMPLE_RATE, 3))
    await socket.close(1012)


async def breaks(socket: ServerConnection, session: Session) -> None:
    await session.hear(seconds=6.6)
    socket.transport.abort()


async def goes_silent(socket: ServerConnection, session: Session) -> None:
    await session.hear(seconds=6.6)
    await socket.wait_closed()


async def warns(socket: ServerConnection, session: Session) -> None:
    await session.hear()
    await session.tell()
    await session.say("final", duration=1.0, warnings=["The model large-v3 is not deployed here."])


async def ends_for_lack_of_credits(socket: ServerConnection, session: Session) -> None:
    await session.hear(seconds=6.6)
    await session.finish()
    await session.say("error", error="The account has no credits left.")
    await socket.close(1008)


def refuses(code: int, reason: str) -> Step:
    async def refuse(socket: ServerConnection, session: Session) -> None:
        await session.say("error", error=reason)
        await socket.close(code)

    return refuse


async def tells_who_speaks(socket: ServerConnection, session: Session) -> None:
    def said(second: float, *words: str, speaker: str | None = None) -> list[dict[str, Any]]:
        who = {"speaker": speaker} if speaker else {}
        return [{"word": word, "start": second, "end": second + 0.2, "confidence": 0.9, **who} for word in words]

    while not isinstance(await socket.recv(), str):
        pass
    await session.say("transcript", language="en", words=said(20.0, "One", "two", speaker="Speaker 1"))
    await session.say(
        "transcript", language="en", words=[*said(21.0, "three", speaker="Speaker 2"), *said(21.3, "four")]
    )
    await session.say("turn", event="end")
    await session.say("transcript", language="en", words=said(22.0, "five", speaker="Speaker 2"))
    segments = [
        {"speaker": "Speaker 1", "words": said(20.0, "One", "two", "three")},
        {"speaker": "Speaker 2", "words": said(21.3, "four", "five")},
    ]
    await session.say("final", duration=23.0, language="en", segments=segments)


class Gateways:
    """One address; behind it each connection finds what the next step says, the last step for ever."""

    def __init__(self, *steps: Step | HTTPStatus) -> None:
        self._steps = list(steps)
        self.connections = 0

    async def listen(self, source: AudioSource, policy: ReconnectPolicy = QUICK) -> None:
        async with serve(
            self._answer, "127.0.0.1", 0, process_request=self._shake_hands, ping_interval=None, max_queue=None
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            request = StreamRequest(f"ws://127.0.0.1:{port}", {}, {"language": "en"})
            with TranscriptDisplay() as display:
                await ReconnectingStream(request, source, display, policy).run()

    def _shake_hands(self, socket: ServerConnection, _: Request) -> Response | None:
        self.connections += 1
        step = self._steps[0]
        return socket.respond(self._next(), "") if isinstance(step, HTTPStatus) else None  # type: ignore[arg-type]

    def _next(self) -> Step | HTTPStatus:
        return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]

    async def _answer(self, socket: ServerConnection) -> None:
        step = self._next()
        assert not isinstance(step, HTTPStatus)
        await socket.recv()  # the config
        session = Session(socket)
        if step.__name__ != "refuse":
            await session.say("ready")
        await step(socket, session)


async def spoken() -> AudioSource:
    numbers = np.repeat(np.arange(1, WORDS + 1, dtype="<i2"), WORD + PAUSE).reshape(WORDS, -1)
    numbers[:, WORD:] = 0

    async def pieces() -> AsyncIterator[bytes]:
        yield numbers.tobytes()

    source = AudioSource()
    await source.fill(pieces())
    return source


@pytest.mark.parametrize(
    "steps",
    [
        (hears_all,),
        (leaves, hears_all),
        (breaks, hears_all),
        (goes_silent, hears_all),
        (leaves, breaks, leaves, breaks, hears_all),
        (breaks, HTTPStatus.SERVICE_UNAVAILABLE, refuses(1013, "All slots are taken."), hears_all),
    ],
    ids=["nothing", "a gateway leaves", "a line breaks", "a line dies", "all of it", "the next one is busy"],
)
async def test_every_word_is_shown_once_whatever_happens_meanwhile(
    steps: tuple[Step | HTTPStatus, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    gateways = Gateways(*steps)
    policy = ReconnectPolicy(total=20.0, first_pause=0.01, silence=0.5 if goes_silent in steps else 20.0)

    await gateways.listen(await spoken(), policy)

    shown, told = capsys.readouterr()
    assert shown == f"{ALL}\n"
    assert gateways.connections == len(steps)
    assert ("connected again" in told) == (len(steps) > 1)


@pytest.mark.parametrize(
    ("step", "says", "words"),
    [
        (refuses(1008, "The key is unknown."), "key is unknown", 0),
        (refuses(1013, "Three sessions run already."), "sessions", 0),
        (HTTPStatus.SERVICE_UNAVAILABLE, "503", 0),
        (ends_for_lack_of_credits, "no credits", 13),
    ],
    ids=["key", "limit", "handshake", "credits"],
)
async def test_a_refusal_ends_it_with_the_text_so_far(
    step: Step | HTTPStatus, says: str, words: int, capsys: pytest.CaptureFixture[str]
) -> None:
    gateways = Gateways(step, hears_all)

    with pytest.raises(ListenFailed, match=says):
        await gateways.listen(await spoken())

    assert capsys.readouterr().out.split()[:words] == ALL.split()[:words]
    assert gateways.connections == 1


async def test_a_service_that_stays_away_is_given_up_with_the_text_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    gateways = Gateways(breaks, HTTPStatus.BAD_GATEWAY)

    with pytest.raises(ListenFailed, match=r"502.*the text ends at 5\.4 s"):
        await gateways.listen(await spoken(), ReconnectPolicy(total=0.2, first_pause=0.01))

    assert capsys.readouterr().out == " ".join(ALL.split()[:11]) + "\n"
    assert gateways.connections > 2


async def test_warnings_of_the_last_message_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    await Gateways(warns).listen(await spoken())

    shown, told = capsys.readouterr()
    assert shown == f"{ALL}\n"
    assert told == "stt: warning: The model large-v3 is not deployed here.\n"


async def test_speakers_and_turns_begin_lines_and_all_is_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    await Gateways(tells_who_speaks).listen(await spoken())

    shown, told = capsys.readouterr()
    live = ["Speaker 1: One two", "Speaker 2: three four", "Speaker 2: five"]
    anew = ["Speaker 1: One two three", "Speaker 2: four five"]
    assert shown.splitlines() == live + anew
    assert told == "stt: all of it, with speakers told apart anew:\n"


async def test_what_goes_on_elsewhere_is_not_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    await Gateways(breaks, tells_who_speaks).listen(await spoken())

    assert "told apart anew" not in capsys.readouterr().err
