"""The grammar of `stt`, and what it costs to load it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from gateway.cli.main import main
from gateway.cli.parser import FORMATS, STYLE_ALIASES, STYLES, build_parser
from gateway.http.parameters import RESPONSE_FORMATS
from gateway.summaries import styles

COMMANDS = (
    *("serve", "transcribe", "listen", "jobs", "summarize"),
    *("status", "models", "usage", "keys", "mcp", "completion"),
)
HEAVY = ("httpx", "matplotlib", "numpy", "pydantic", "rich", "sqlalchemy", "starlette", "uvicorn", "websockets")


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    shown = capsys.readouterr().out
    assert all(f"    {command}" in shown for command in COMMANDS)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])

    assert capsys.readouterr().out == f"stt {version('stt')}\n"


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS), ["keys", "create"]])
def test_help_is_shown_without_loading_anything_heavy(command: list[str]) -> None:
    code = f"""
import sys
from gateway.cli.main import main
try:
    main({[*command, "--help"]!r})
except SystemExit:
    pass
print(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout.startswith("usage: stt")
    assert ended.stderr == "\n"


def test_every_argument_is_described() -> None:
    def undescribed(parser: object) -> list[str]:
        found = []
        for action in parser._actions:  # type: ignore[attr-defined]
            if isinstance(action.choices, dict):
                found += [line for command in action.choices.values() for line in undescribed(command)]
            elif not action.help:
                found.append(f"{parser.prog} {action.dest}")  # type: ignore[attr-defined]
        return found

    assert undescribed(build_parser()) == []


def test_formats_and_styles_are_the_services() -> None:
    assert set(FORMATS) == set(RESPONSE_FORMATS.values())
    assert set(STYLES) == set(styles.STYLES)
    assert set(STYLE_ALIASES) == set(styles.ALIASES)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_completion_script_knows_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert all(word in script for word in (*COMMANDS, "--no-diarize", "bullet_points"))


def test_the_shell_completes_commands_and_files(tmp_path: object) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    complete = 'COMP_WORDS=(stt tr); COMP_CWORD=1; _shtab_stt; printf "%s\\n" "${COMPREPLY[@]}"'

    shown = subprocess.run(["bash", "-c", f"{script}\n{complete}"], capture_output=True, text=True, check=True).stdout

    assert shown.split() == ["transcribe"]
