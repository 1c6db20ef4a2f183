"""Where a request's processor time goes, by process: of clips in several formats, with and without speakers.

What a clip costs over the engine is what everything but the model's process takes: the gateway with the programs that
it starts, and Triton's server. Rounds take the formats in turn; counted is what the processes used, not what passed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import imageio_ffmpeg
import numpy as np

from benchmarks import report
from benchmarks.processes import processor_parts
from benchmarks.recordings import CorpusRecording, load, write_wav
from benchmarks.service import Service
from speech.audio import SAMPLE_RATE, Pcm

CLIP = 5  # seconds
PAUSE = 0.6  # seconds between the recordings that are joined
FORMATS = {  # what the name ends in, and ffmpeg's encoder
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "m4a": "aac",
    "webm": "libopus",
}
GATEWAY, SERVER, WHISPER, DIARIZER = "gateway", "tritonserver", "whisper-base", "diarizer"

Parts = dict[str, float]  # processor seconds by process


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    read = [recording for recording in load(["A-read"]) if recording.language == "en"]
    with TemporaryDirectory() as name, Service(settings={"STT_DIARIZATION_DEPLOYED": "true"}) as service:
        folder = Path(name)
        spoken = [recording for recording in read if recording.duration >= CLIP][: options.clips]
        clips = {ending: [_clip(each, folder, ending) for each in spoken] for ending in FORMATS}
        joined = write_wav(_joined(read, options.seconds), folder / "joined.wav")
        tables = [_clips(service, clips, options.rounds), _speakers(service, joined, options.rounds)]
    command = report.command("profile", arguments)
    print(report.write(report.Report("profile", command, tables), options.results).read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks profile", description=__doc__)
    parser.add_argument("--clips", type=int, default=20, help="of each format")
    parser.add_argument("--seconds", type=float, default=180.0, help="of the recording with and without speakers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    return parser


def _clip(recording: CorpusRecording, folder: Path, ending: str) -> Path:
    path = folder / f"{recording.id}.{ending}"
    _ffmpeg("-i", recording.path, "-t", CLIP, "-ac", 1, "-ar", SAMPLE_RATE, "-c:a", FORMATS[ending], path)
    return path


def _joined(recordings: Sequence[CorpusRecording], seconds: float) -> Pcm:
    """The recordings one after another, as many as the seconds need."""
    silence = np.zeros(int(PAUSE * SAMPLE_RATE), np.int16)
    pieces: list[Pcm] = []
    for recording in recordings:
        if sum(map(len, pieces)) >= seconds * SAMPLE_RATE:
            break
        raw = _ffmpeg("-i", recording.path, "-ac", 1, "-ar", SAMPLE_RATE, "-f", "s16le", "-")
        pieces += [np.frombuffer(raw, np.int16), silence]
    return np.concatenate(pieces)


def _ffmpeg(*arguments: object) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _clips(service: Service, clips: dict[str, list[Path]], rounds: int) -> report.Table:
    for paths in clips.values():  # code is loaded, connections are made
        _cost(service, paths[:2], diarize="false")
    found: dict[str, list[Parts]] = {ending: [] for ending in clips}
    for number in range(rounds):
        for ending, paths in clips.items():
            parts = _cost(service, paths, diarize="false")
            found[ending].append({name: 1000 * seconds / len(paths) for name, seconds in parts.items()})
        print(f"clips, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    rows = []
    for ending, costs in found.items():
        gateway, server, model = (median(costs, name) for name in (GATEWAY, SERVER, WHISPER))
        rows.append((ending, gateway, server, gateway + server, model))
    columns = (
        "format",
        "gateway, with what it starts, ms",
        "Triton's server, ms",
        "over the engine, ms",
        "Whisper, ms",
    )
    count = len(clips["wav"])
    note = f"Processor time of a clip of {CLIP} s, {count} a round one after another, {rounds} rounds, medians."
    return report.Table("Clips", columns, rows, note)


def _speakers(service: Service, path: Path, rounds: int) -> report.Table:
    found: dict[str, list[Parts]] = {"false": [], "true": []}
    for number in range(rounds):
        for diarize, costs in found.items():
            costs.append(_cost(service, [path], diarize=diarize))
        print(f"speakers, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    rows = []
    for title, diarize in (("words alone", "false"), ("with speakers, the default", "true")):
        costs = found[diarize]
        parts = [median(costs, name) for name in (WHISPER, DIARIZER, SERVER, GATEWAY)]
        shares = [f"{seconds:.2f} ({seconds / sum(parts):.0%})" for seconds in parts]
        rows.append((title, *shares, sum(parts), parts[1] / parts[0]))
    columns = ("request", "Whisper", "diarizer", "Triton's server", "gateway", "all, s", "diarizer / Whisper")
    seconds = (path.stat().st_size - 44) / 2 / SAMPLE_RATE
    note = f"Processor seconds of {seconds:.0f} s of read English, {rounds} rounds, medians; shares of the request."
    return report.Table("A recording", columns, rows, note)


def _cost(service: Service, paths: Sequence[Path], **fields: str) -> Parts:
    """What all requests together take. raises: HTTPStatusError"""
    before = processor_parts(service.process.pid)
    for path in paths:
        answer: httpx.Response = service.post(path, language="en", **fields)
        answer.raise_for_status()
    after = processor_parts(service.process.pid)
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}


def median(costs: Sequence[Parts], name: str) -> float:
    return statistics.median(parts.get(name, 0.0) for parts in costs)
