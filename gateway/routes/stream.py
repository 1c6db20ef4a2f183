"""WS /v1/stream: speech goes in while it is spoken, text comes out while it settles."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.accounts import Caller, Credentials, LiveSession
from gateway.concurrency import run_together
from gateway.dialects.credentials import subprotocols, with_subprotocol_key
from gateway.draining import Work
from gateway.errors import BadParameter, RequestTimeout, ServiceError, failure
from gateway.recognition.diarized_recognizer import NOT_DEPLOYED
from gateway.recognition.doubts import lost_speech
from gateway.requests.live import admit_live_session, open_session, reconfigure_session
from gateway.requests.live_diarization import open_speakers, tell_speakers
from gateway.requests.live_sound import live_options, open_sound
from gateway.routes.stream_socket import NORMAL, RESTART, StreamSocket
from gateway.services import Services, services_of
from gateway.streaming import commands, messages
from gateway.streaming.commands import CONFIG_EXAMPLE, StopCommand, StreamConfig
from gateway.streaming.incoming import IncomingSound
from gateway.streaming.live_speakers import LiveSpeakers
from gateway.streaming.resumable import ResumableText
from gateway.streaming.session import StreamSession
from speech.audio import SAMPLE_RATE

SUBPROTOCOL = "stt"  # of clients that send their key as another one: a browser wants one of its offers taken

BYTES_A_SECOND = 2 * SAMPLE_RATE
LEAST_WAIT = 1.0  # seconds for a frame, also where this process stood still for longer than a client may

_log = logging.getLogger(__name__)


async def stream(socket: WebSocket) -> None:
    services = services_of(socket)
    await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in subprotocols(socket) else None)
    client = StreamSocket(socket)
    connection = StreamConnection(client, services)
    try:
        with services.draining.track(Work.LIVE_SESSION):
            await connection.serve()
    except WebSocketDisconnect:
        _log.info("a live client left")
    except ServiceError as error:
        await client.refuse(error)
    except Exception as error:
        _log.exception("a live session failed")
        await client.refuse(failure(error))


@dataclass(slots=True)
class StreamConnection:
    """One client's frames go to a session, and the session's messages come back."""

    client: StreamSocket
    services: Services
    overdrawn: ServiceError | None = None  # why the account let no more audio in
    ending: int = NORMAL  # close code
    warnings: Sequence[str] = ()  # for the last message, of what is known before the first
    config: StreamConfig = field(default_factory=StreamConfig)  # as it is now
    caller: Caller | None = None
    speakers: LiveSpeakers | None = None
    resumable: ResumableText | None = None  # what is told, of a session that may go on by another connection
    began: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)  # when the last audio was taken in, or the session began

    async def serve(self) -> None:
        """From the client's credentials to the closing frame. Raises what is to be told instead."""
        accounts = self.services.accounts
        credentials = with_subprotocol_key(Credentials.of(self.client.socket), self.client.socket)
        caller = await accounts.identify(credentials)
        try:
            async with admit_live_session(self.services, caller) as account:
                session = await self._converse(caller, account)
                await self._conclude(session)
        finally:
            if self.speakers is not None:
                await self.speakers.close()
        if self.overdrawn is not None:
            raise self.overdrawn
        await self.client.close(self.ending)

    async def _converse(self, caller: Caller, account: LiveSession) -> StreamSession:
        """Returns the session when everything that the client sent is final. Raises what ended it sooner."""
        session = await self._open_session(await self._read_config(), caller)
        while (config := await self._run(session, account)) is not None:
            session = await self._open_session(config, caller)
        return session

    async def _conclude(self, session: StreamSession) -> None:
        """The last message; before it, if the gateway drains, from where to resume elsewhere."""
        until = session.duration
        if self.ending == RESTART:
            until = session.resume
            await self.client.say(f"The service restarts: connect again, and go on at {until:.3f} s.")
        coverage = session.coverage(until)
        warnings = [*self.warnings, *lost_speech(coverage.gaps), *session.doubts]
        last = messages.complete(session.text, session.language, until, warnings, coverage)
        if self.resumable is not None:
            last["text"], last["duration"] = self.resumable.text, round(self.resumable.start + until, 3)
            last["acknowledged"] = self.resumable.acknowledged
        if self.speakers is not None and self.ending == NORMAL:
            words, start = session.words, 0.0
            if self.resumable is not None:
                words, start = self.resumable.words, self.resumable.start
            await tell_speakers(last, words, self.speakers, start)
        await self.client.send(last)

    async def _read_config(self) -> StreamConfig:
        """What the address or the first frame asks for. Raises BadParameter, RequestTimeout."""
        if (config := commands.read_query(dict(self.client.socket.query_params))) is not None:
            return config
        limit = self.services.settings.stream.config_seconds
        try:
            frame = await asyncio.wait_for(self.client.frame(), limit)
        except TimeoutError:
            raise RequestTimeout(f"No config came within {limit:.0f} s; send {CONFIG_EXAMPLE} first.") from None
        if isinstance(frame, bytes):
            raise BadParameter(f"Audio came before the config; send {CONFIG_EXAMPLE} first and wait for ready.")
        command = commands.read_text(frame)
        if isinstance(command, StopCommand):
            raise BadParameter(f"The stream was stopped before it began; send {CONFIG_EXAMPLE} first, then audio.")
        return command

    async def _open_session(self, config: StreamConfig, caller: Caller) -> StreamSession:
        """Takes over a config and says that the stream is ready. Raises BadParameter, Unavailable."""
        self.config, self.caller = config, caller
        self.warnings = self.services.models.stand_in_warning(config.model or "")
        emit = self.client.send
        if config.resume is not None:
            self.resumable = ResumableText(config.resume, config.sound.rate, self.client.send)
            emit = self.resumable.emit
        session = open_session(self.services, caller, live_options(config), emit)
        if config.diarize:
            self.speakers = open_speakers(self.services)
            if self.speakers is None:
                self.warnings = [*self.warnings, NOT_DEPLOYED]
            else:
                session.label_speakers(self.speakers)
        await self._say_ready(config.ignored)
        return session

    async def _say_ready(self, ignored: Sequence[str]) -> None:
        options = live_options(self.config)
        model = self.services.models.resolve(options.model)
        identity = self.resumable.session if self.resumable is not None else ""
        await self.client.send(messages.ready(model.id, options.language or "auto", ignored, identity))

    async def _run(self, session: StreamSession, account: LiveSession) -> StreamConfig | None:
        """Until all is final, or the client sent another config instead of audio: that is returned."""
        try:
            async with run_together(session.run(), self._feed_until_drained(session, account)) as (running, feeding):
                await asyncio.gather(running, feeding)
                config: StreamConfig | None = feeding.result()
                return config
        finally:
            self.services.metrics.count_audio("live", session.duration)

    async def _feed_until_drained(self, session: StreamSession, account: LiveSession) -> StreamConfig | None:
        """Until the client stops, or the gateway drains: then what is not final is handed over to another one."""
        hand_over = self.services.draining.hand_over
        async with run_together(self._feed(session, account), hand_over.wait()) as (feeding, waiting):
            await asyncio.wait((feeding, waiting), return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                config: StreamConfig | None = feeding.result()
                return config
        self.ending = RESTART
        await session.hand_over()
        return None

    async def _feed(self, session: StreamSession, account: LiveSession) -> StreamConfig | None:
        """Feeds the session until the client stops, or sends another config. Raises BadParameter on other text."""

        async def take(pcm: bytes) -> None:
            if await self._paid(account, session.duration + len(pcm) / BYTES_A_SECOND):
                await session.feed(pcm)

        sound = await open_sound(self.services, self.config, take)
        try:
            config = await self._receive(session, sound)
            await sound.end()
        finally:
            await sound.close()
        await session.stop()
        return config

    async def _receive(self, session: StreamSession, sound: IncomingSound) -> StreamConfig | None:
        """Until the client stops, is ended, or sends another config before its sound."""
        limits = self.services.settings.stream
        while self._lasted(session) < limits.longest_seconds and self.overdrawn is None:
            left = self.heard + limits.idle_seconds - time.monotonic()
            try:
                frame = await asyncio.wait_for(self.client.frame(), max(left, LEAST_WAIT))
            except TimeoutError:
                await self._say_idle()
                return None
            if not frame:  # an empty frame is the end of a published client's stream
                return None
            if isinstance(frame, bytes):
                await sound.feed(frame)
                self.heard = time.monotonic()
                continue
            command = commands.read_text(frame)
            if isinstance(command, StopCommand):
                return None
            if left <= 0:  # configs without end are no audio
                await self._say_idle()
                return None
            if not session.duration:
                return command
            await self._reconfigure(session, command)
        if self.overdrawn is None:
            await self.client.say(f"The longest stream is {limits.longest_seconds:.0f} s: it ends here.")
        return None

    def _lasted(self, session: StreamSession) -> float:
        """Seconds, of audio or by the clock: two bytes a minute hold a session's place as well."""
        return max(session.duration, time.monotonic() - self.began)

    async def _say_idle(self) -> None:
        idle = self.services.settings.stream.idle_seconds
        await self.client.say(f"No audio came for {idle:.0f} s: the stream ends.")

    async def _reconfigure(self, session: StreamSession, asked: StreamConfig) -> None:
        """What a config in the middle of the sound changes. One that cannot be had is told, and changes nothing."""
        try:
            config = commands.changed(self.config, asked)
            assert self.caller is not None
            reconfigure_session(self.services, self.caller, session, live_options(config))
        except BadParameter as problem:
            await self.client.say(problem.message)
            return
        self.config = config
        await self._say_ready(asked.ignored)

    async def _paid(self, account: LiveSession, seconds: float) -> bool:
        """Whether the account covers so much audio. If not, what was heard is still finished."""
        try:
            await account.meter(seconds)
        except ServiceError as error:
            self.overdrawn = error
        return self.overdrawn is None
