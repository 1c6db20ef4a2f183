"""Where transcripts go: checked before the work, and never lost after it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from gateway.cli.errors import WrongUse
from gateway.cli.recordings import RecordingFile
from speech.installation import checkout

PICTURES = (".png", ".svg", ".pdf")


def choose_targets(recordings: Sequence[RecordingFile], output: str | None, ending: str) -> list[Path | None]:
    """Where each transcript goes; None is standard output. Raises WrongUse where one cannot be written."""
    if output is None:
        return [None for _ in recordings]
    chosen = Path(output)
    if len(recordings) == 1 and not chosen.is_dir() and not output.endswith("/"):
        targets = [chosen]
    elif chosen.exists() and not chosen.is_dir():
        raise WrongUse(f"{output} is a file; give a folder for several transcripts")
    else:
        targets = [chosen / place for place in _places(recordings, ending)]
    for target in targets:
        check_writable(target)
    return list(targets)


def _places(recordings: Sequence[RecordingFile], ending: str) -> list[Path]:
    """talk.mp3 → talk.txt, or talk.mp3.txt where there is a talk.wav, too. Raises WrongUse."""
    short = Counter(recording.place.with_suffix(f".{ending}") for recording in recordings)
    places = [
        place
        if short[place := recording.place.with_suffix(f".{ending}")] == 1
        else recording.place.with_name(f"{recording.name}.{ending}")
        for recording in recordings
    ]
    if len(set(places)) < len(places):
        raise WrongUse("two of the files have the same name; transcribe them one by one")
    return places


def summary_target(target: Path) -> Path:
    return target.with_name(f"{target.stem}.summary.txt")


def check_picture(name: str) -> Path:
    """raises: WrongUse where its kind is unknown, it cannot be written, or there is nothing to draw it with"""
    picture = Path(name)
    if picture.suffix.lower() not in PICTURES:
        raise WrongUse(f"--plot {name}: unknown kind of picture; accepted: {', '.join(PICTURES)}")
    check_writable(picture)
    if find_spec("matplotlib") is None:
        root = checkout()
        bring = f"make -C {shlex.quote(str(root))} plot" if root else "python -m pip install matplotlib"
        raise WrongUse(f"--plot draws with matplotlib, which is not installed; `{bring}` brings it (80 MB)")
    return picture


def check_writable(target: Path) -> None:
    """Opens it for writing, without changing what is there. Raises WrongUse."""
    existed = target.exists()
    if existed and not target.is_file() and not target.is_dir():
        return  # a pipe or a device
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.open("ab").close()
        if not existed:
            target.unlink()
    except OSError as problem:
        raise WrongUse(f"{target} cannot be written: {problem.strerror or problem}") from problem
