"""The command line's options of tracks, channels and key terms, as the form's fields."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.cli.errors import WrongUse


def sound_fields(options: argparse.Namespace) -> dict[str, str]:
    """raises: WrongUse"""
    try:
        text = Path(options.keyterms_text).read_text(encoding="utf-8") if options.keyterms_text else ""
    except (OSError, UnicodeDecodeError) as problem:
        raise WrongUse(f"{options.keyterms_text} cannot be read as text: {problem}") from problem
    return {
        "channels": "" if options.channels == "mix" else options.channels,
        "channel_names": options.channel_names,
        "track": str(options.track) if options.track else "",
        "tracks": "" if options.tracks == "one" else options.tracks,
        "keyterms": options.keyterms,
        "keyterms_text": text,
    }
