"""Where a line may be broken, and how wide it is, in any script.

source: Unicode Standard Annexes 29 (what a reader takes for one character) and 14 (what begins or ends no line)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_JOINER = "\u200d"
_FLAGS = range(0x1F1E6, 0x1F200)  # two of them are one flag
_MODIFIERS = range(0x1F3FB, 0x1F400)  # of an emoji's skin
_TAGS = range(0xE0020, 0xE0080)
_LEADING = range(0x1100, 0x1160)  # Hangul that is not yet a syllable
_VOWELS = range(0x1160, 0x1200)
_SARA_AM = "\u0e33\u0eb3"  # Thai and Lao: spacing, but part of what stands before

# No line begins with these: closing marks, small kana, signs that lengthen or repeat; nor with what follows a letter
# in Thai and Lao.
NOT_FIRST = frozenset(
    "、。，．・：；？！゛゜ー々〻ゝゞヽヾ」』）】〕》〉｝］’”,.:;?!…%)]}»›"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ"
    "ะาๅๆฯຯະາ"
)
# No line ends with these: opening marks, and the vowels that Thai and Lao write before their consonant.
NOT_LAST = frozenset("「『（【〔《〈｛［‘“([{«‹¿¡เแโใไເແໂໃໄ")


def width(text: str) -> int:
    """Columns, East Asian characters being twice as wide; never less than the characters of any count."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def clusters(text: str) -> list[str]:
    """What a reader takes for one character each; together they are the text."""
    found: list[str] = []
    for character in text:
        if found and _continues(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


def may_break(before: str, after: str) -> bool:
    """Whether one line may end with the one text and the next begin with the other, no space between."""
    return bool(before and after) and not (
        before[-1] in NOT_LAST or after[0] in NOT_FIRST or _continues(before, after[0])
    )


def fitting(parts: Sequence[str], columns: int) -> int:
    """How many of the clusters fill a line, at least one: as many as fit and leave a good break."""
    total, count = 0, 0
    for part in parts:
        total += width(part)
        if total > columns and count:
            break
        count += 1
    best = next(
        (at for at in range(count, count // 2, -1) if at == len(parts) or may_break(parts[at - 1], parts[at])), 0
    )
    return best or count


def _continues(cluster: str, character: str) -> bool:
    code, before = ord(character), ord(cluster[-1])
    if unicodedata.category(character) in ("Mn", "Me", "Mc") or character in _SARA_AM or character == _JOINER:
        return True
    if code in _MODIFIERS or code in _TAGS or cluster[-1] == _JOINER:
        return True
    if code in _FLAGS and before in _FLAGS:
        return len(cluster) % 2 == 1
    syllable = 0xAC00 <= before < 0xD7A4
    return (code in _VOWELS and (before in _LEADING or before in _VOWELS or syllable)) or (
        before in _LEADING and (code in _LEADING or 0xAC00 <= code < 0xD7A4)
    )
