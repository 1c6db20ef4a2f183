"""The input buffer of a realtime session: sound goes to a live session, its utterances become turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.realtime import events
from gateway.dialects.realtime.config import RealtimeConfig
from gateway.dialects.realtime.events import ConversationItem, Event, EventNames
from gateway.streaming.messages import Message
from gateway.streaming.resampling import SoundConverter
from gateway.streaming.session import StreamSession

SHORTEST = 0.1  # seconds that a commit needs

Send = Callable[[Event], Awaitable[None]]
NewItem = Callable[[], ConversationItem]


@dataclass(slots=True)
class RealtimeTurn:
    """One item and its text so far."""

    item: ConversationItem
    begins: float  # seconds of the session's sound
    committed: bool = False
    text: str = ""
    waiting: list[Event] = field(default_factory=list)  # deltas that come after the commit


class InputBuffer:
    """From one commit or clear to the next; with voice activity detection it ends turns by itself."""

    def __init__(self, config: RealtimeConfig, names: EventNames, send: Send, new_item: NewItem, offset: float) -> None:
        """offset: seconds of sound before this buffer"""
        self.config = config
        self.offset = offset
        self.session: StreamSession | None = None  # set by whoever opens it
        self._names, self._send, self._new_item = names, send, new_item
        self._sound = SoundConverter(config.sound)
        self._turn: RealtimeTurn | None = None
        self._closed = False  # committed by the client: what is still heard belongs to its last turn
        self._told = 0  # characters of the session's text
        self._uncommitted = 0.0  # seconds from which sound belongs to no turn that has ended

    @property
    def live(self) -> StreamSession:
        assert self.session is not None
        return self.session

    @property
    def end(self) -> float:
        """Seconds of the connection's sound."""
        return self.offset + self.live.duration

    def convert(self, sound: bytes) -> bytes:
        """PCM16, 16 kHz, mono."""
        return self._sound.convert(sound)

    @property
    def is_too_short(self) -> bool:
        """Whether a commit would hold nothing."""
        return self._turn is None and self.live.duration - self._uncommitted < SHORTEST

    async def commit(self) -> None:
        """By the client: what was heard so far is a turn, whose text comes when the session has ended."""
        await self.live.feed(self._sound.convert(b"", last=True))
        turn = self._turn or self._open(self.offset + self._uncommitted)
        self._closed = True
        if not turn.committed:
            await self._commit(turn)
        await self.live.stop()

    async def finish(self) -> None:
        """After the session has run to its end."""
        if self._turn is not None:
            await self._complete()

    async def fail(self, failure: Any) -> bool:
        """The session broke. Whether a turn was told of it."""
        if self._turn is None:
            return False
        await self._send(events.failed(self._turn.item, failure))
        self._turn = None
        return True

    async def emit(self, message: Message) -> None:
        """Final text becomes deltas. They begin a turn without the space before its first word."""
        if message["type"] != "transcript":
            return
        text = self.live.text
        turn = self._turn or self._open(self.offset + message["start"])
        added = text[self._told :] if turn.text else text[self._told :].lstrip()
        self._told = len(text)
        turn.text += added
        delta = events.delta(turn.item, added, self._logprobs(message, first=turn.text == added))
        if turn.committed or self.config.early_deltas:
            await self._send(delta)
        else:
            turn.waiting.append(delta)

    # The live session's observer

    async def began(self, second: float) -> None:
        if self.config.turn_detection is None or self._turn is not None:
            return
        turn = self._open(self.offset + second)
        start = round(turn.begins * 1000)
        await self._send(events.event("input_audio_buffer.speech_started", audio_start_ms=start, item_id=turn.item.id))

    async def ended(self, second: float) -> None:
        turn = self._turn
        if self.config.turn_detection is None or turn is None or turn.committed:
            return
        end = round((self.offset + second) * 1000)
        await self._send(events.event("input_audio_buffer.speech_stopped", audio_end_ms=end, item_id=turn.item.id))
        self._uncommitted = self.live.duration
        await self._commit(turn)

    async def settled(self) -> None:
        if self.config.turn_detection is not None and not self._closed and self._turn is not None:
            await self._complete()

    def _open(self, begins: float) -> RealtimeTurn:
        self._turn = RealtimeTurn(self._new_item(), begins)
        return self._turn

    async def _commit(self, turn: RealtimeTurn) -> None:
        turn.committed = True
        item = turn.item
        await self._send(events.event("input_audio_buffer.committed", previous_item_id=item.previous, item_id=item.id))
        for each in (*self._names.announced(item), *turn.waiting):
            await self._send(each)
        turn.waiting.clear()

    async def _complete(self) -> None:
        turn, self._turn = self._turn, None
        assert turn is not None
        seconds = max(0.0, self.end - turn.begins)
        await self._send(events.completed(turn.item, turn.text, seconds, self.live.language))

    def _logprobs(self, message: Any, *, first: bool) -> list[dict[str, Any]] | None:
        if not self.config.logprobs:
            return None
        return events.logprobs(message["words"], first=first)
