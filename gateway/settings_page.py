"""docs/settings.md, written from the settings themselves: `python -m gateway.settings_page > docs/settings.md`."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.settings import Settings, SettingsGroup

TITLES = {
    "server": "The service",
    "media": "Files",
    "triton": "Triton",
    "recognition": "Recognition",
    "diarization": "Diarization",
    "stream": "Live sessions",
    "wyoming": "Home Assistant",
    "client": "The commands",
    "accounts": "Accounts",
    "capacity": "What a gateway takes at once",
    "jobs": "Jobs",
    "outgoing": "Addresses that callers name",
    "summarizer": "Summaries",
}
INTRODUCTION = """\
<!-- Written by `make docs` from gateway/settings.py; change it there. -->
# Settings

Environment variables, set for a command (`STT_SERVER_PORT=9000 make serve`) or in the unit that starts the service.
Lists are separated by commas. `SUMMARIZER=off` and `SUMMARIZER_URL=…` are short for `STT_SUMMARIZER_MODE` and
`STT_SUMMARIZER_URL`. An unknown name is refused, and so is a value that makes no sense.

A relative path that you set counts from the current folder. The defaults do not: `var` and `model_repository` are the
checkout's own, from wherever a command is run; of an installed wheel they are `~/.local/share/stt` (`XDG_DATA_HOME`)
and `model_repository` in it.

A secret may lie in a file of the variable's name in small letters instead, in the folder that `STT_SECRETS` names
(`/run/secrets`, where containers find them). The variable goes before the file.

The models inside Triton read `WHISPER_…` and `DIARIZER_…`: see [on a GPU](gpu.md#memory-and-slots) and
[diarization](diarization.md#weights).
"""


def settings_page() -> str:
    """The whole page, Markdown."""
    return "\n".join([INTRODUCTION, *(_section(name, field) for name, field in Settings.model_fields.items())])


def variable(group: str, name: str) -> str:
    return f"STT_{group}_{name}".upper()


def default_text(field: FieldInfo) -> str:
    """A default as one would write it into the environment."""
    value: Any = field.default
    if isinstance(field.json_schema_extra, dict) and "default" in field.json_schema_extra:
        value = field.json_schema_extra["default"]  # a path of the installation
    if value is PydanticUndefined:
        raise ValueError("a setting without a fixed default: the page cannot show what this machine would take")
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _section(name: str, field: FieldInfo) -> str:
    group = field.annotation
    assert isinstance(group, type) and issubclass(group, SettingsGroup)
    rows = [
        f"| `{variable(name, each)}` | {default_text(setting)} | {setting.description} |"
        for each, setting in group.model_fields.items()
    ]
    return "\n".join([f"## {TITLES[name]}", "", "| variable | default | meaning |", "|---|---|---|", *rows, ""])


if __name__ == "__main__":
    print(settings_page(), end="")
