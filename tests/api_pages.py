"""The marked blocks of docs/api.md, docs/websocket.md and docs/media.md: tables made from the code, real examples.

<!-- fields Transcription -->       a table of a model's fields
<!-- table close-codes -->          another table
<!-- recorded transcribe-json -->   a real request and a real answer
…
<!-- end -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
PAGES = (DOCS / "api.md", DOCS / "websocket.md", DOCS / "media.md")
WIDTH = 110  # of a line of JSON
MORE = "…"  # begins what stands for entries that are not shown

_BLOCK = re.compile(r"<!-- (?P<kind>fields|table|recorded) (?P<name>\S+) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PageBlock:
    kind: str
    name: str
    text: str  # what lies between the marks


def blocks(kind: str) -> list[PageBlock]:
    """Of all pages."""
    matches = [match for page in PAGES for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]
    found = [PageBlock(match["kind"], match["name"], match["text"]) for match in matches]
    return [block for block in found if block.kind == kind]


def rewrite(kind: str, make: Callable[[str], str]) -> None:
    """Puts what `make` says for each name between the marks."""

    def replaced(match: re.Match[str]) -> str:
        if match["kind"] != kind:
            return match[0]
        return f"<!-- {kind} {match['name']} -->\n{make(match['name'])}<!-- end -->"

    for page in PAGES:
        page.write_text(_BLOCK.sub(replaced, page.read_text(encoding="utf-8")), encoding="utf-8")


def rewrite_one(name: str, text: str) -> None:
    """Puts a recorded example onto its page."""
    shown = {block.name: block.text for block in blocks("recorded")}
    rewrite("recorded", lambda other: text if other == name else shown[other])


def pretty(value: object, indent: str = "", width: int = WIDTH) -> str:
    """JSON for people: what fits into a line stays in one."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or len(indent) + len(line) <= width:
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {pretty(each, inner, width)}" for name, each in value.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + pretty(each, inner, width) for each in value) + f"\n{indent}]"


# What two runs of the same example have in common


def shape(value: object) -> Any:
    """Names and kinds of what JSON holds, and its `type`; a list is as the kinds of what it holds."""
    if isinstance(value, dict):
        return {name: each if name == "type" else shape(each) for name, each in value.items()}
    if isinstance(value, list):
        shown = [each for each in value if not str(each).startswith(MORE)]
        return sorted({json.dumps(shape(each), sort_keys=True) for each in shown})
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else "text"


_TIME = re.compile(r"[\d:.,]+ --> [\d:.,]+")


def outline(text: str, optional: Collection[str] = ()) -> Any:
    """What an example has to have in common with the same one on another day.

    optional: types of messages that may come or not
    """
    fences = re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL)
    return [(language, *_of_fence(language, content, optional)) for language, content in fences]


def _of_fence(language: str, content: str, optional: Collection[str]) -> Iterator[Any]:
    if language == "sh":
        yield content
        return
    if language == "text":  # a conversation
        said = re.split(r"\n(?=[→←])", content)
        told = [each for each in said if not any(f'"type": "{kind}"' in each for kind in optional)]
        yield sorted({_of_message(each) for each in told})
        return
    head, _, body = content.partition("\n\n")
    status, *headers = head.splitlines()
    yield status.split()[1]  # the words are those of the HTTP library's version
    named = {header.partition(":")[0] for header in headers}
    yield sorted(named - {"X-Warnings"})  # a word that is in doubt on one processor need not be on another
    yield _of_body(body)


def _of_message(text: str) -> str:
    side, _, said = text.strip().partition(" ")
    if said.startswith("{"):
        return f"{side} {json.dumps(shape(json.loads(said)), sort_keys=True)}"
    return f"{side} {said.partition(':')[0]}" if said.startswith("close") else side


def _of_body(body: str) -> Any:
    if body.startswith(("{", "[")):
        return shape(json.loads(body))
    if body.startswith("event:"):
        data = [json.loads(line.removeprefix("data: ")) for line in body.splitlines() if line.startswith("data: ")]
        return sorted({json.dumps(shape(event), sort_keys=True) for event in data})
    return sorted({_of_line(line) for line in body.splitlines()})


def _of_line(line: str) -> str:
    if _TIME.fullmatch(line):
        return "time"
    return "words" if line.strip(" 0123456789") else "number"
