"""Shows the text of a live stream while it is spoken."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gateway.cli.standard_output import write_output
from gateway.transcript.text import join
from speech.transcript import Word

WAITING = "Listening…"


class TranscriptDisplay:
    """Committed text plain, partial text dim. Where standard output is no terminal: committed text only.

    A line begins where somebody else begins to speak, if words name their speakers, and where `end_line` says so.
    """

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stderr=False)
        self._last: tuple[Word, ...] = ()  # committed word
        self._line = ""  # of committed text that is not full yet
        self._speaker: str | None = None  # of the line
        self._waiting = WAITING  # shown until there is a word

    def __enter__(self) -> TranscriptDisplay:
        if self._console.is_terminal:
            self._live.start()
            self._show("")
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting = ""
        if self._console.is_terminal:
            self._show("")
            self._live.stop()
        elif self._last:
            print(flush=True)

    def add(self, words: Sequence[Word], language: str) -> None:
        """Show committed words."""
        for speaker, said in groupby(words, lambda word: word.speaker):
            label = ""
            if speaker is not None and speaker != self._speaker:
                self.end_line()
                self._speaker, label = speaker, f"{speaker}: "
            self._write(label, list(said), language)

    def end_line(self) -> None:
        """What is committed next begins a line of its own."""
        if not self._last:
            return
        self._last, self._speaker = (), None
        if not self._console.is_terminal:
            write_output("\n")
            return
        line, self._line = self._line, ""
        self._show("")
        self._console.print(line, markup=False, soft_wrap=True)

    def _write(self, label: str, words: Sequence[Word], language: str) -> None:
        text = label + self._continued(words, language)
        self._last = (words[-1],)
        if not self._console.is_terminal:
            write_output(text)
            return
        *full, last = Text(self._line + text).wrap(self._console, self._console.width)
        self._line = last.plain
        self._show("")  # first, so that what is printed above it does not wipe a taller preview's place
        for line in full:
            self._console.print(line.plain, markup=False, soft_wrap=True)

    def preview(self, words: Sequence[Word], language: str) -> None:
        """Show words that may still change."""
        self._show(self._continued(words, language) if words else "")

    def note(self, line: str) -> None:
        """Show a message that is not part of the transcript."""
        if self._console.is_terminal and sys.stderr.isatty():
            self._console.print(line, style="yellow", markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _continued(self, words: Sequence[Word], language: str) -> str:
        """The words as text, with the separator from the text before them."""
        return join([*self._last, *words], language)[len("".join(word.text for word in self._last)) :]

    def _show(self, changing: str) -> None:
        if self._line or changing:
            self._waiting = ""
        if self._console.is_terminal:
            self._live.update(Text.assemble(self._line, (changing or self._waiting, "dim")), refresh=True)
