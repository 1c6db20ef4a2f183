"""What the commands show on the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gateway.settings import web_address


def add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", type=_url, help="of the service (default: STT_CLIENT_URL)")


def _url(text: str) -> str:
    try:
        return web_address(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


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
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress
