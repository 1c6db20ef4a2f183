"""What the commands show beside their result: progress, warnings and notes, all of it on standard error."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.cli.standard_output import write_output


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Nothing is shown where standard error is no terminal. Standard output stays free for the result."""
    console = Console(stderr=True, soft_wrap=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    ) as progress:
        yield progress


@contextmanager
def without_progress(progress: Progress) -> Iterator[None]:
    """For lines on standard output, which is perhaps the same terminal."""
    progress.stop()
    try:
        yield
    finally:
        progress.start()


def tell(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False)


def warn(console: Console, name: str, warnings: Sequence[str]) -> None:
    """name: of what the warnings are about; "" where there is only one thing"""
    for warning in warnings:
        tell(console, f"{name}: warning: {warning}" if name else f"warning: {warning}", "yellow")


def read_warnings(header: str) -> list[str]:
    """The value of X-Warnings."""
    try:
        warnings = json.loads(header) if header else []
    except ValueError:
        return [header]
    return [str(warning) for warning in warnings] if isinstance(warnings, list) else [header]


def print_result(text: str) -> None:
    write_output(text if text.endswith("\n") else f"{text}\n")


def duration(seconds: float) -> str:
    """3 s, 4 min 5 s, 22 h 39 min"""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def clock(seconds: float) -> str:
    """4:05, 1:02:03"""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
