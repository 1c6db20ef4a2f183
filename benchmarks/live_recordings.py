"""What is played to live sessions: English with its text, in an order that mixes all kinds."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.recordings import CACHE, SPEECH, CorpusRecording, as_wav, load, write_wav
from speech.audio import SAMPLE_RATE

GROUPS = ("A-read", "A-command", "A-telephone", "D-long", "C-sim")
SHORTEST = 1.5  # seconds
PART = 25.0  # seconds after which a long recording is cut, where nobody speaks
MARGIN = 0.2  # seconds beside a part that belong to it

Segment = Mapping[str, object]  # start and end in seconds, text


def live_recordings(folder: Path = SPEECH) -> list[CorpusRecording]:
    """Long recordings come in parts, so that sessions have shares of about one length."""
    known = {recording.id: recording for recording in load(GROUPS, folder)}
    found: list[CorpusRecording] = []
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        recording = known.get(entry["id"])
        if recording is None or recording.language != "en" or not recording.text:
            continue
        if entry.get("segments"):
            segments = json.loads((folder / entry["segments"]).read_text())
            found += [_part(recording, number, group) for number, group in enumerate(grouped(segments))]
        elif recording.duration >= SHORTEST:
            found.append(as_wav(recording))
    random.Random(0).shuffle(found)
    return found


def grouped(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Parts of a little more than PART seconds: the next begins where all before it have ended."""
    groups: list[list[Segment]] = [[]]
    for segment in sorted(segments, key=_start):
        current = groups[-1]
        if current and _start(segment) > max(map(_end, current)) and _start(segment) - _start(current[0]) > PART:
            groups.append([])
        groups[-1].append(segment)
    return groups


def _part(whole: CorpusRecording, number: int, segments: list[Segment]) -> CorpusRecording:
    start = max(0, round((_start(segments[0]) - MARGIN) * SAMPLE_RATE))
    pcm = whole.pcm[start : round((max(map(_end, segments)) + MARGIN) * SAMPLE_RATE)]
    name = f"{whole.id}-part-{number}"
    return CorpusRecording(
        id=name,
        path=write_wav(pcm, CACHE / "wav" / f"{name}.wav"),
        group=whole.group,
        language=whole.language,
        text=" ".join(str(segment["text"]) for segment in segments),
        duration=len(pcm) / SAMPLE_RATE,
    )


def _start(segment: Segment) -> float:
    return float(str(segment["start"]))


def _end(segment: Segment) -> float:
    return float(str(segment["end"]))
