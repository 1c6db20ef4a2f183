"""Keywords: names and terms that are likely to be said, as OpenAI's protocols send them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.errors import BadParameter
from gateway.http.parameters import MAX_PROMPT

MOST_KEYWORDS = 200


def check_keywords(keywords: Sequence[str]) -> None:
    """raises: BadParameter"""
    if len(keywords) > MOST_KEYWORDS:
        raise BadParameter(f"There are {len(keywords)} keywords; accepted are {MOST_KEYWORDS}.", "keywords")
    for keyword in keywords:
        if re.search(r"[<>\r\n]", keyword):
            raise BadParameter(f"The keyword {keyword[:40]!r} holds <, > or the end of a line.", "keywords")


def prompt_with(keywords: Sequence[str], prompt: str) -> str:
    """Both as one prompt, of which the end counts, as with Whisper."""
    parts = [", ".join(keywords), prompt]
    return " ".join(part for part in parts if part)[-MAX_PROMPT:]
