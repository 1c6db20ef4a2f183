"""The `stt` command: parses the command line, runs one command, turns its errors into a sentence and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from gateway.cli.errors import FAILED, INTERRUPTED, WRONG_USE, CommandFailed
from gateway.cli.parser import build_parser
from gateway.cli.standard_output import discard_output, write_output


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "module"):
        parser.print_help()
        return 0
    try:
        code = _run(options)
        write_output("")  # whatever was printed and is still held
        return code
    except CommandFailed as problem:
        print(f"stt: {problem}", file=sys.stderr)
        return problem.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has enough
        discard_output()
        return FAILED


def _run(options: object) -> int:
    """Imports what the command needs, which the grammar does not."""
    from pydantic import ValidationError

    from gateway.cli.settings_errors import describe, suggest_for_unknown_groups
    from gateway.settings import Settings

    try:
        settings = Settings()
    except ValidationError as problem:
        print(f"stt: {describe(problem)}", file=sys.stderr)
        return WRONG_USE
    for line in suggest_for_unknown_groups(os.environ):
        print(f"stt: {line}", file=sys.stderr)
    code: int = importlib.import_module(options.module).run(options, settings)  # type: ignore[attr-defined]
    return code


if __name__ == "__main__":
    sys.exit(main())
