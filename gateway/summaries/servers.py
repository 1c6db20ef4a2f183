"""Where the summarizing model is: somewhere else, or nowhere. (Started here: see embedded.)"""

from __future__ import annotations

from gateway.summaries.chat import ChatServer, Endpoint
from gateway.summaries.errors import SummarizerAway

OFF = (
    "Summaries are turned off on this server. To turn them on, start it with SUMMARIZER=embedded (a small model "
    "on this machine) or with SUMMARIZER_URL=http://host:port (any server with the OpenAI chat API)."
)
HOUR = 3600.0


class RemoteServer:
    def __init__(self, endpoint: Endpoint) -> None:
        self._chat = ChatServer(endpoint)

    def start(self) -> None:
        """It runs already."""

    async def stop(self) -> None:
        await self._chat.aclose()

    def chat(self) -> ChatServer:
        return self._chat


class NoServer:
    def start(self) -> None:
        """There is none."""

    async def stop(self) -> None:
        """There is none."""

    def chat(self) -> ChatServer:
        raise SummarizerAway(OFF, HOUR)
