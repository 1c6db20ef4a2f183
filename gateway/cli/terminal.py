"""What the commands show and tell the person at the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


def read_error(answer: httpx.Response) -> str:
    try:
        message = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        message = f"the service answered {answer.status_code}"
    wait = answer.headers.get("Retry-After")
    return f"{message} (try again in {wait} s)" if wait else message


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """On standard error, so that transcripts can be piped."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
