"""Whoever wants to know where the utterances of a live session begin and end, beside their text."""

from __future__ import annotations

from typing import Protocol


class UtteranceObserver(Protocol):
    """Told in the order of the session's audio. `began` may come again before `ended`: the utterance goes on."""

    async def began(self, second: float) -> None:
        """Somebody speaks, from this second of the session on."""

    async def ended(self, second: float) -> None:
        """Nobody has spoken for a while since this second; the last words are being decoded."""

    async def settled(self) -> None:
        """All words of the utterance were emitted as final."""


class NoObserver:
    """For sessions whose client reads the text alone."""

    async def began(self, second: float) -> None:
        pass

    async def ended(self, second: float) -> None:
        pass

    async def settled(self) -> None:
        pass
