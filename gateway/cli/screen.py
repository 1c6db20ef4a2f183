"""Where the text of a live stream is shown while it is spoken."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gateway.transcript.text import join
from speech.transcript import Word


class Screen:
    """Final text plain, what may still change dim. Where standard output is no terminal: final text alone."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stderr=False)
        self._last: tuple[Word, ...] = ()  # word that is final
        self._line = ""  # of final text, that is not full

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._show("")
            self._live.stop()
        elif self._last:
            print(flush=True)

    def add(self, words: Sequence[Word], language: str) -> None:
        """Final words."""
        if not words:
            return
        text = self._continued(words, language)
        self._last = (words[-1],)
        if not self._console.is_terminal:
            print(text, end="", flush=True)
            return
        *full, last = Text(self._line + text).wrap(self._console, self._console.width)
        self._line = last.plain
        self._show("")  # first, so that what is printed above it does not wipe a taller preview's place
        for line in full:
            self._console.print(line.plain, markup=False, soft_wrap=True)

    def preview(self, words: Sequence[Word], language: str) -> None:
        """Words that may still change."""
        self._show(self._continued(words, language) if words else "")

    def note(self, line: str) -> None:
        """Something that is not text."""
        if self._console.is_terminal and sys.stderr.isatty():
            self._console.print(line, style="yellow", markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _continued(self, words: Sequence[Word], language: str) -> str:
        """With what stands between it and the text before it."""
        return join([*self._last, *words], language)[len("".join(word.text for word in self._last)) :]

    def _show(self, changing: str) -> None:
        if self._console.is_terminal:
            self._live.update(Text.assemble(self._line, (changing, "dim")), refresh=True)
