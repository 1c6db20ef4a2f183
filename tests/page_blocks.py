"""The code blocks of a page: what a reader may paste, and what the page says comes out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = ("sh", "python")  # languages of what may be pasted
OUTPUT = ("text", "json", "http")  # of what a block before it puts out
SHOWN = ("js", "yaml", "toml")  # of what is only shown
_BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*) -->\n)?^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int  # of the page, where the code begins
    language: str
    mark: str  # of the comment above it: "not run: why", "recorded NAME", "in the foreground", "the first time"
    code: str

    @property
    def is_run(self) -> bool:
        return self.language in RUN and not self.mark.startswith(("not run: ", "recorded "))

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text[: found.start("code")].count("\n") + 1, found["language"], found["mark"] or "", found["code"])
        for found in _BLOCK.finditer(text)
    ]
