"""A prompt that comes back as text: what a model writes where it hears nothing and was told what came before.

Such a text is as probable as a true one. What tells it is the same sound without the prompt.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

RUN = 5  # words in a row that stand in the prompt as well, from which a text is looked at again
SHORT_RUN = 3  # of a text that is hardly more than such runs
SHARE = 0.6  # of a text's words in such runs
ALIKE = 0.5  # share of letters in common, from which two texts are of the same speech
LENGTHS = 0.7  # of the shorter to the longer one, then

_WORD = re.compile(r"[\u0e00-\uffff]|[^\W\u0e00-\uffff]+")  # of scripts without spaces each letter is one


def repeats_prompt(text: str, prompt: str) -> bool:
    """Whether so much of a text stands in its prompt that it may have been read there, not heard."""
    said, given = words_of(text), words_of(prompt)
    if not said or not given:
        return False
    blocks = SequenceMatcher(None, said, given, autojunk=False).get_matching_blocks()
    runs = [block.size for block in blocks if block.size >= min(SHORT_RUN, len(said))]
    return max(runs, default=0) >= RUN or sum(runs) >= SHARE * len(said)


def bears_out(unprompted: str, prompted: str) -> bool:
    """Whether the text without a prompt is of the same speech as the one with it."""
    one, other = ("".join(words_of(text)) for text in (unprompted, prompted))
    if min(len(one), len(other)) < LENGTHS * max(len(one), len(other)):
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
