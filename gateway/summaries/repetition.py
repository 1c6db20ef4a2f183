"""What small models do wrong: saying the same again and again, stopping in mid-sentence, writing Markdown."""

from __future__ import annotations

import re

from gateway.transcript.sentences import END

REPEATS = 2  # the same line this often is a loop

_HEADING = re.compile(r"^\s*#{1,6}\s+|[ \t]+#*$")
_STRONG = re.compile(r"\*\*")


def looping(text: str) -> bool:
    """Whether the last complete line was written REPEATS times already."""
    lines = [line.strip() for line in text.split("\n")[:-1] if line.strip()]
    return bool(lines) and lines.count(lines[-1]) >= REPEATS


def tidied(text: str, cut: bool) -> str:
    """The text without repeated lines and Markdown; of one that was cut, up to its last whole sentence."""
    seen: set[str] = set()
    lines = []
    for written in text.strip().split("\n"):
        line = _STRONG.sub("", _HEADING.sub("", written))
        if line.startswith("```") or (line.strip() and line in seen):
            continue
        seen.add(line)
        lines.append(line)
    if cut:
        lines = _whole(lines)
    return "\n".join(lines).strip()


def _whole(lines: list[str]) -> list[str]:
    """A last line that stops in mid-sentence ends at its last sentence, or goes if it is not the only one."""
    ends = list(END.finditer(lines[-1]))
    if ends:
        return [*lines[:-1], lines[-1][: ends[-1].end()]]
    return lines[:-1] if len(lines) > 1 else lines
