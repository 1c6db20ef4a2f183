"""The `stt` command. Each subcommand is a module of `gateway.cli` with `add_parser`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from gateway.cli import keys, listen, serve, summarize, transcribe
from gateway.settings import Settings

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

Run = Callable[[argparse.Namespace, Settings], int]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    run: Run = options.run
    try:
        return run(options, Settings())
    except ValidationError as problem:
        print(f"stt: {describe(problem)}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still flushes
        return EXIT_FAILED


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="stt", description="Speech to text on your own machines.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (serve, transcribe, summarize, listen, keys):
        command.add_parser(commands)
    return top


def describe(problem: ValidationError) -> str:
    """What is wrong with the settings, by the names of their environment variables."""
    lines = []
    for error in problem.errors():
        name = "_".join(str(part) for part in ("STT", *error["loc"])).upper()
        lines.append(f"{name}: {error['msg']}, got {error.get('input')!r}")
    return "; ".join(lines)


if __name__ == "__main__":
    sys.exit(main())
