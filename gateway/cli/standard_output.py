"""Standard output, which may be a pipe that nobody reads any more or a file on a full disk."""

from __future__ import annotations

import os
import sys

from gateway.cli.errors import CommandFailed


def write_output(text: str) -> None:
    """Writes it now. What cannot be written goes to standard error, so that no work is lost.

    raises: CommandFailed, BrokenPipeError
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        discard_output()
        sys.stderr.write(text if text.endswith("\n") else f"{text}\n")
        raise CommandFailed(f"standard output cannot be written: {problem.strerror}; its text is above") from problem


def discard_output() -> None:
    """Nothing more can be written there; Python flushes what it holds when it ends, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
