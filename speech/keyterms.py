"""Limits of key terms, where both the service and the models need them."""

from __future__ import annotations

from typing import Final

MOST_TERMS: Final = 100
LONGEST_TERM: Final = 80  # characters
