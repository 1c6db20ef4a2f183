"""Where sentences end, in the scripts that Whisper writes."""

from __future__ import annotations

import re

_SPACED = ".?!…؟।॥۔"  # marks of scripts that put a space after a sentence
_SPACELESS = "。？！"
_CLOSING = r"['\"”’»)\]）」』]*"  # what may follow the mark

# The end of a sentence inside running text. Scripts with spaces need one after it, so that 3.5 and U.S.A. stay whole.
END = re.compile(rf"[{_SPACED}]{_CLOSING}(?=\s|$)|[{_SPACELESS}]{_CLOSING}")

_LAST = re.compile(rf"[{_SPACED}{_SPACELESS}]{_CLOSING}$")
# "Mr." or "J." goes on; so do "3." and "e.g.".
_ABBREVIATION = re.compile(
    r"^['\"“(\[]*(?:mr|mrs|ms|dr|st|jr|sr|prof|vs|etc|approx|fig|nr|bzw|ca|usw|[^\W\d_]|\d{1,3}|(?:\w\.)+\w)\.$",
    re.IGNORECASE,
)


def ends_sentence(word: str) -> bool:
    """Whether a sentence ends with this word."""
    return bool(_LAST.search(word)) and not _ABBREVIATION.match(word)
