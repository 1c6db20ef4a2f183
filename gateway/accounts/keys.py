"""API keys: what they look like, and what is kept of them.

A key is `stt_<prefix>_<secret>`. The prefix (12 letters) finds its row and may be shown; of the whole key
only a SHA-256 is kept. A plain hash is enough: the secret has 256 random bits, so it cannot be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

PREFIX_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is easily taken for another
PREFIX_LENGTH = 12
SHAPE = re.compile(rf"stt_([{PREFIX_LETTERS}]{{{PREFIX_LENGTH}}})_([A-Za-z0-9_-]{{43}})")
NOBODY = hashlib.sha256(b"").hexdigest()  # compared against when there is no such key, to take as long


@dataclass(frozen=True, slots=True)
class NewKey:
    text: str  # shown once
    prefix: str
    digest: str

    def __repr__(self) -> str:
        return f"NewKey({self.prefix})"  # the secret never reaches a log


def new_key() -> NewKey:
    prefix = "".join(secrets.choice(PREFIX_LETTERS) for _ in range(PREFIX_LENGTH))
    text = f"stt_{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(text, prefix, digest_of(text))


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def prefix_of(key: str) -> str | None:
    """None where the text cannot be a key."""
    match = SHAPE.fullmatch(key)
    return match[1] if match else None


def is_same(digest: str, key: str) -> bool:
    """Constant-time: how long it takes does not tell how much of a guess was right."""
    return hmac.compare_digest(digest, digest_of(key))
