"""Request parameters of the sound: which tracks and channels of a recording are read, and how."""

from __future__ import annotations

import json
from collections.abc import Mapping

from gateway.errors import BadParameter
from gateway.media.sink import MOST_CHANNELS_APART
from gateway.media.tracks import TrackChoice

MOST_TRACKS = 64
LONGEST_NAME = 64  # characters
MIX, SEPARATE, ONE = "mix", "separate", "one"


def read_track_choice(fields: Mapping[str, str]) -> TrackChoice:
    """raises: BadParameter"""
    separate = _one_of("channels", fields, (MIX, SEPARATE)) == SEPARATE
    mix = _one_of("tracks", fields, (ONE, MIX)) == MIX
    track = _track(fields.get("track", ""))
    if mix and track:
        raise BadParameter("`tracks=mix` reads all tracks, `track` one of them; send only one of the two.", "track")
    if mix and separate:
        raise BadParameter("`tracks=mix` makes one channel of all; it cannot go with `channels=separate`.", "tracks")
    if separate and fields.get("known_speakers", "").strip():
        message = "With `channels=separate` a channel is a speaker: send `channel_names` instead of `known_speakers`."
        raise BadParameter(message, "known_speakers")
    return TrackChoice(track=track, mix=mix, separate=separate)


def read_channel_names(fields: Mapping[str, str], *, separate: bool) -> tuple[str, ...]:
    """Of a JSON list, or of a list with commas. raises: BadParameter"""
    text = fields.get("channel_names", "").strip()
    if not text:
        return ()
    if not separate:
        raise BadParameter("`channel_names` name channels only with `channels=separate`.", "channel_names")
    names = read_list(text, "channel_names")
    if len(names) > MOST_CHANNELS_APART:
        accepted = f"accepted are at most {MOST_CHANNELS_APART}"
        raise BadParameter(f"`channel_names` holds {len(names)} names; {accepted}.", "channel_names")
    for name in names:
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            accepted = f"accepted are 1 to {LONGEST_NAME} printable characters"
            raise BadParameter(f"`channel_names` holds {name[:40]!r}; {accepted}.", "channel_names")
    if len(set(names)) < len(names):
        raise BadParameter("`channel_names` holds a name twice; each channel needs its own.", "channel_names")
    return tuple(names)


def read_list(text: str, name: str) -> list[str]:
    """A JSON list of strings, or what stands between commas or line ends. raises: BadParameter"""
    if not text.lstrip().startswith("["):
        return [each.strip() for each in text.replace("\n", ",").split(",")]
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise BadParameter(f'`{name}` is no JSON list of strings; accepted is ["one", "two"], or one, two.', name)
    return [" ".join(each.split()) for each in listed]


def _one_of(name: str, fields: Mapping[str, str], accepted: tuple[str, ...]) -> str:
    """The first is the default."""
    wanted = fields.get(name, "").strip().lower() or accepted[0]
    if wanted not in accepted:
        raise BadParameter(f"`{name}` is {wanted[:40]!r}; accepted are {' and '.join(accepted)}.", name)
    return wanted


def _track(text: str) -> int:
    wanted = text.strip() or "0"
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 4 and int(wanted) <= MOST_TRACKS):
        accepted = f"accepted are whole numbers from 1, the file's first, to {MOST_TRACKS}, and 0 (one with speech)"
        raise BadParameter(f"`track` is {text[:40]!r}; {accepted}.", "track")
    return int(wanted)
