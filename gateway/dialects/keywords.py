"""Keywords: key terms as OpenAI's protocols send them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.errors import BadParameter
from gateway.recognition.term_check import check_keyterms

NAME = "keywords"


def read_keywords(keywords: Iterable[str]) -> tuple[str, ...]:
    """Key terms, each once; empty ones count as left out. raises: BadParameter"""
    sent = [keyword for keyword in keywords if keyword.strip()]
    for keyword in sent:
        if re.search(r"[<>\r\n]", keyword):
            raise BadParameter(f"The keyword {keyword[:40]!r} holds <, > or the end of a line.", NAME)
    return check_keyterms(sent, NAME)
