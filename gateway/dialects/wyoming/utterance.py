"""One utterance: its sound goes to a live session, its text comes back as it settles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from gateway.accounts import Caller, LiveSession
from gateway.dialects.wyoming.framing import WyomingEvent
from gateway.errors import BadParameter, ServiceError
from gateway.http.parameters import MAX_PROMPT, read_language
from gateway.recognition.term_check import choose_keyterms
from gateway.requests.live import LiveOptions, admit_live_session, open_session
from gateway.services import Services
from gateway.streaming.endpoint import EndpointPolicy
from gateway.streaming.messages import Message
from gateway.streaming.policy import StreamPolicy
from gateway.streaming.resampling import SoundConverter, SoundFormat
from gateway.streaming.session import StreamSession
from gateway.streaming.utterances import NoObserver
from speech.activity import CHUNK_SECONDS
from speech.audio import SAMPLE_RATE

BYTES_A_SECOND = 2 * SAMPLE_RATE
SILENCE_SECONDS = {"aggressive": 0.5, "default": 0.8, "relaxed": 1.25}  # that end an utterance
AHEAD_SECONDS = 1.0  # of sound before the clock, from which it comes from a file and its pauses end nothing
AHEAD_SHARE = 1.3

Send = Callable[[WyomingEvent], Awaitable[None]]


class Utterance:
    """From audio-start to its transcript. `ended` is set when its speaker has stopped speaking."""

    def __init__(self, services: Services, caller: Caller, send: Send, asked: WyomingEvent) -> None:
        """asked: the transcribe event"""
        self.ended = asyncio.Event()
        self._services, self._caller, self._send = services, caller, send
        self._options = live_options(services, asked)
        self._stack = AsyncExitStack()
        self._converter: SoundConverter | None = None
        self._account: LiveSession | None = None
        self._session: StreamSession | None = None
        self._running: asyncio.Task[None] | None = None
        self._began = time.monotonic()
        self._told = ""

    async def feed(self, chunk: WyomingEvent) -> None:
        """raises: BadParameter for sound that cannot be read; what admission and the session raise"""
        sound = SoundFormat(chunk.number("rate", 16_000), chunk.number("width", 2), chunk.number("channels", 1))
        if self._converter is None or self._converter.sound != sound:
            try:
                self._converter = SoundConverter(sound)
            except ValueError as problem:
                raise BadParameter(f"This sound cannot be read: {problem}.") from problem
        await self._feed(self._converter.convert(chunk.payload))

    async def finish(self) -> None:
        """The transcript, when all that came is final; "" where nothing came."""
        text = ""
        if self._session is not None and self._running is not None:
            if self._converter is not None:
                await self._feed(self._converter.convert(b"", last=True))
            await self._session.stop()
            await self._running
            text = self._session.text
        if not self._told:
            await self._send(WyomingEvent("transcript-start"))
        language = {"language": self._session.language} if self._session and self._session.language else {}
        await self._send(WyomingEvent("transcript", {"text": text, **language}))
        await self._send(WyomingEvent("transcript-stop"))

    async def close(self) -> None:
        """Frees its slot, whatever came of it."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._session is not None:
            self._services.metrics.count_audio("live", self._session.duration)
        await self._stack.aclose()

    async def emit(self, message: Message) -> None:
        if message["type"] != "transcript" or self._session is None:
            return
        if not self._told:
            await self._send(WyomingEvent("transcript-start"))
        added = self._session.text[len(self._told) :]
        self._told += added
        await self._send(WyomingEvent("transcript-chunk", {"text": added}))

    async def pause(self) -> None:
        """Home Assistant leaves it to the service to end an utterance; a file is read to its end."""
        if self._session is not None and self._session.duration <= self._elapsed * AHEAD_SHARE + AHEAD_SECONDS:
            self.ended.set()

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    async def _feed(self, pcm: bytes) -> None:
        if self._session is None:
            admitted = admit_live_session(self._services, self._caller)
            self._account = await self._stack.enter_async_context(admitted)
            self._session = open_session(self._services, self._caller, self._options, self.emit, PauseObserver(self))
            self._running = asyncio.create_task(self._session.run())
        assert self._account is not None and self._running is not None
        if self._running.done():
            self._running.result()
        seconds = self._session.duration + len(pcm) / BYTES_A_SECOND
        longest = self._services.settings.wyoming.longest_seconds
        if seconds > longest:
            raise BadParameter(f"The utterance is too long; accepted are {longest:.0f} s.")
        await self._account.meter(seconds)
        await self._session.feed(pcm)


class PauseObserver(NoObserver):
    """Tells an utterance that its speaker has stopped."""

    def __init__(self, utterance: Utterance) -> None:
        self._utterance = utterance

    async def settled(self) -> None:
        await self._utterance.pause()


def live_options(services: Services, asked: WyomingEvent) -> LiveOptions:
    """What is unknown is left to the service, as with the protocol's own servers; terms over the limit are prompted."""
    silence = SILENCE_SECONDS.get(asked.text("vad_sensitivity"), SILENCE_SECONDS["default"])
    lists = [asked.data.get(name) for name in ("transcript_names", "transcript_terms")]
    keyterms, others = choose_keyterms(str(term) for each in lists if isinstance(each, list) for term in each)
    model = asked.text("name")
    try:
        known = services.models.resolve(model)
    except ServiceError:
        known, model = services.models.resolve(), ""
    try:
        language = read_language(asked.text("language"))
        if language is not None:
            known.check_language(language)
    except BadParameter:
        language = None
    return LiveOptions(
        model=model,
        language=language,
        prompt=", ".join(others)[:MAX_PROMPT],
        keyterms=keyterms,
        policy=StreamPolicy(
            endpoint=EndpointPolicy(silence_chunks=round(silence / CHUNK_SECONDS)),
            muted_seconds=None,  # a satellite whose network stutters goes on speaking
        ),
    )
