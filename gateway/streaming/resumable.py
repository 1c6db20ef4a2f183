"""A live session that outlives its connections: who comes again says what it has, and hears what follows, once."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadParameter
from gateway.streaming import messages
from gateway.streaming.committed_words import CommittedTranscript
from gateway.streaming.messages import Message
from gateway.transcript.text import join
from speech.transcript import Word

MOST_WORDS = 200  # that a client has after its position: a few seconds' worth
EXAMPLE = '{"session": "live_…", "position": 48000, "words": [{"word": "Hello", "start": 3.1, "end": 3.4}]}'

Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a client goes on. The start of a session, where nothing is given."""

    session: str = ""  # id; "": a new one
    position: int = 0  # the client's samples: which one comes first
    words: tuple[Word, ...] = ()  # final ones that the client has, and that end after it


class ResumableText:
    """The messages of one connection as they count in the whole session: in its time, every word once."""

    def __init__(self, resume: Resume, rate: int, send: Send) -> None:
        """rate: the client's samples a second"""
        self.session = resume.session or f"live_{secrets.token_hex(10)}"
        self.start = resume.position / rate  # seconds
        self._rate, self._send = rate, send
        self._transcript = CommittedTranscript.resumed(resume.words)
        self._transcript.start_session(self.start)
        self.words: list[Word] = []  # that became final by this connection
        self._language = ""

    @property
    def acknowledged(self) -> int:
        """The client's samples that no other connection will need."""
        return max(int(self._transcript.resume * self._rate), 0)

    @property
    def text(self) -> str:
        """What became final by this connection."""
        return join(self.words, self._language)

    async def emit(self, message: Message) -> None:
        if message["type"] == "transcript":
            self._language = message["language"]
            new = self._transcript.commit([dict(word) for word in message["words"]])
            self.words += new
            if new:
                await self._send(messages.final_text(new, self._language, self.acknowledged))
        elif message["type"] == "partial":
            words = self._transcript.preview([dict(word) for word in message["words"]])
            await self._send(messages.partial_text(words, self._language))
        elif message["type"] == "turn":
            start, time = message["start"] + self.start, message["time"] + self.start
            await self._send(messages.turn(message["event"], start, time, message["confidence"]))
        else:
            await self._send(message)


def read_resume(asked: object) -> Resume | None:
    """None where a client does not want to resume. raises: BadParameter"""
    if asked is None or asked is False:
        return None
    if asked is True:
        return Resume()
    try:
        return _resume(asked)
    except (TypeError, ValueError, KeyError, AttributeError):
        raise BadParameter(f"resume is true for a new session, or looks like {EXAMPLE} in a config", "resume") from None


def _resume(asked: Any) -> Resume:
    session, position, words = asked["session"], asked["position"], asked.get("words") or []
    if not isinstance(session, str) or not 0 < len(session) <= 100 or isinstance(position, bool):
        raise ValueError
    if not isinstance(position, int) or position < 0 or len(words) > MOST_WORDS:
        raise ValueError
    return Resume(session, position, tuple(map(_word, words)))


def _word(fields: Mapping[str, Any]) -> Word:
    return Word(
        str(fields["word"])[:100], float(fields["start"]), float(fields["end"]), float(fields.get("confidence", 1))
    )
