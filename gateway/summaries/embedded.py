"""The llama.cpp server that the service starts for itself: started, watched, restarted, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway.processes.child import without_settings
from gateway.summaries.chat import ChatServer, Endpoint
from gateway.summaries.chat_protocol import SummarizerUnavailable

_log = logging.getLogger(__name__)

CODE = Path(__file__).parents[2]  # where the child finds this package, installed or not
LOAD_SECONDS = 120.0  # for the model to be read from a slow disk
LOOK_SECONDS = 10.0  # between two looks at its health
LOOKS = 3  # that fail before it is taken for hung
SETTLED_SECONDS = 60.0  # it ran this long: the next failure is a new one
LONGEST_PAUSE = 60.0  # seconds between two starts
SHOWN_LINES = 10  # of the process's log, when it ended
STOP_SECONDS = 5.0  # for a process that answers; one that loads its model does not notice


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    model: Path  # a GGUF file
    alias: str  # the model's name in answers
    threads: int
    context: int = 8192  # tokens of one answer and its prompt
    slots: int = 2  # answers at once
    log: Path | None = None  # what the child says; None: with the parent's own


class EmbeddedServer:
    """`start` returns at once; the model loads behind it and `chat` refuses until it is there."""

    def __init__(self, options: LlamaOptions) -> None:
        self.options = options
        self._chat: ChatServer | None = None
        self._why = "it is loading its model"
        self._watcher: asyncio.Task[None] | None = None
        self._draining = False
        self.process: asyncio.subprocess.Process | None = None

    def start(self) -> None:
        self._watcher = asyncio.create_task(self._keep_running())

    def drain(self) -> None:
        self._draining = True

    async def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)

    def chat(self) -> ChatServer:
        if self._chat is None:
            raise SummarizerUnavailable(f"The summarizer is not ready: {self._why}.")
        return self._chat

    async def ready(self) -> None:
        """Waits until it answers; for tests and tools that have nothing else to do."""
        while self._chat is None:
            await asyncio.sleep(0.1)

    async def _keep_running(self) -> None:
        pause, loop = 1.0, asyncio.get_running_loop()
        while not self._draining:
            began = loop.time()
            if self.options.model.is_file():
                try:
                    await self._run_once()
                except OSError as problem:  # no memory or no processes left for it: there may be later
                    self._why = "its process cannot be started"
                    _log.error("summarizer: its process cannot be started: %s", problem)
            else:
                self._why = "its model file is missing (fetch it with `python -m export summarizer`)"
                _log.warning("summarizer: %s is missing", self.options.model)
            pause = 1.0 if loop.time() - began > SETTLED_SECONDS else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _run_once(self) -> None:
        key = secrets.token_urlsafe(16)
        self.process = await self._spawn(key)
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                url = await self._listening(self.process)
            if url:
                self._chat = ChatServer(Endpoint(url, key))
                _log.info("summarizer: %s is ready", self.options.alias)
                await self._watch(self.process, url)
        except TimeoutError:
            _log.error("summarizer: the model was not loaded after %.0f s", LOAD_SECONDS)
        finally:
            chat, self._chat, self._why = self._chat, None, "it is starting again"
            if chat is not None:
                await chat.aclose()
            await _end(self.process, STOP_SECONDS if chat is not None else 0)
        if not self._draining:
            _log.warning("summarizer: its process ended with %s%s", self.process.returncode, self._last_lines())

    def _last_lines(self) -> str:
        if self.options.log is None:
            return ""
        lines = self.options.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        return "\n".join([f"; the end of {self.options.log}:", *lines])

    async def _spawn(self, key: str) -> asyncio.subprocess.Process:
        options = self.options
        arguments = {
            "--model": options.model,
            "--alias": options.alias,
            "--threads": options.threads,
            "--slots": options.slots,
            "--context": options.context,
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        pipe = asyncio.subprocess.PIPE
        with contextlib.ExitStack() as stack:
            if options.log is not None:
                options.log.parent.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(options.log.open("wb")) if options.log else None
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway.summaries.llama_server", *words),
                env={**without_settings(os.environ), "LLAMA_SERVER_KEY": key, "PYTHONPATH": str(CODE)},
                stdin=pipe,
                stdout=pipe,
                stderr=log,
                start_new_session=True,  # out of reach of the terminal's Ctrl-C: it answers what is in flight
            )

    async def _listening(self, process: asyncio.subprocess.Process) -> str:
        """The address that the child reports; "" if it ended instead."""
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        return line.removeprefix("listening").strip()

    async def _watch(self, process: asyncio.subprocess.Process, url: str) -> None:
        """Returns when the process has ended, or answers no more."""
        failed = 0
        async with httpx.AsyncClient(base_url=url, timeout=LOOK_SECONDS, trust_env=False) as http:
            while failed < LOOKS:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await process.wait()
                        return
                try:
                    failed = 0 if (await http.get("/health")).is_success else failed + 1
                except httpx.TransportError:
                    failed += 1
        _log.error("summarizer: it does not answer any more")


async def _end(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Closes its input, which asks it to end, and kills it if it has not after `seconds`."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
