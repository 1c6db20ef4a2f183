"""What went wrong, as the model reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from mcp.server.mcpserver.exceptions import ToolError

from gateway.cli.errors import CommandFailed

P = ParamSpec("P")
R = TypeVar("R")


def as_tool_errors(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """A command's one sentence is the tool's. Anything else stays a fault, which the SDK tells nobody of."""

    @wraps(tool)
    async def told(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return await tool(*arguments, **named)
        except CommandFailed as problem:
            raise ToolError(str(problem)) from problem
        except OSError as problem:
            raise ToolError(f"the file cannot be read or written: {problem.strerror or problem}") from problem

    return told
