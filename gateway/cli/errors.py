"""Why a command ends without its result. The message is one sentence for the user; `code` is the exit code."""

from __future__ import annotations

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class CommandFailed(Exception):
    code = FAILED


class WrongUse(CommandFailed):
    """The command line, a setting or an input file cannot be used; nothing was sent."""

    code = WRONG_USE
