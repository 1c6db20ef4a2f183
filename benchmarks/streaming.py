"""Live speech: how soon a word is shown and final, what streaming costs in accuracy, how many can speak at once.

Recordings are played at the speed of speech into /v1/stream, one session first, then
more at once until the lag of the 95th percentile passes two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from subprocess import PIPE

import httpx
import numpy as np

from benchmarks.playback import Played, ShownWord, play
from benchmarks.recordings import CorpusRecording, as_wav, load
from benchmarks.report import Report, Table, write
from benchmarks.scoring import WordErrors, count_errors, word_error_rate
from benchmarks.service import Service

HELD_LAG = 2.0  # seconds, 95th percentile from spoken to shown


@dataclass(frozen=True, slots=True)
class LiveLoad:
    """One level: this many sessions at once."""

    sessions: int
    played: list[Played]
    first_words: dict[str, float]  # recording id → where its first word begins, seconds

    @property
    def words(self) -> list[ShownWord]:
        return [word for played in self.played for word in played.words]

    @property
    def shown_lags(self) -> list[float]:
        return [word.shown - word.end for word in self.words]

    @property
    def held(self) -> bool:
        return percentile(self.shown_lags, 95) < HELD_LAG

    def row(self) -> list[object]:
        final_lags = [word.final - word.end for word in self.words]
        firsts = [p.first_partial - self.first_words[p.recording.id] for p in self.played if p.first_partial]
        stops = [p.stop_to_final for p in self.played]
        updates = [p.updates / p.recording.duration for p in self.played]
        spread = [percentile(v, q) for v in (firsts, self.shown_lags, final_lags, stops) for q in (50, 95)]
        return [
            self.sessions,
            len(self.played),
            *spread,
            float(np.median(updates)),
            "yes" if self.held else "no",
        ]


COLUMNS = (
    "sessions", "recordings", "first partial p50", "p95", "shown p50", "p95", "final p50", "p95",
    "stop to final p50", "p95", "updates per s", "held",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    recordings = [as_wav(clip) for clip in load(["A-read"]) if 6.0 <= clip.duration <= 30.0][: options.recordings]
    with Service() as service:
        host = f"127.0.0.1:{service.port}"
        filed = {recording.id: transcribe(f"http://{host}", recording) for recording in recordings}
        loads: list[LiveLoad] = []
        for sessions in options.levels or range(1, options.sessions + 1):
            loads.append(asyncio.run(run_level(f"ws://{host}/v1/stream", recordings, sessions, filed)))
            print(loads[-1].row(), flush=True)
            if not loads[-1].held:
                break
    peer = hear_with_peer(recordings, filed) if options.peer else None
    report(loads, filed, recordings, peer)
    return 0


def hear_with_peer(recordings: Sequence[CorpusRecording], filed: dict[str, Filed]) -> LiveLoad:
    """The same recordings, one session, through whisper_streaming's own loop in a process of its own."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "benchmarks.peers.whisper_streaming"]
    played = []
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        for recording in recordings:
            print(recording.path, file=process.stdin, flush=True)
            heard = json.loads(process.stdout.readline())
            words = [ShownWord(*word) for word in heard["words"]]
            played.append(Played(recording, words, heard["first"], heard["stop"], heard["text"]))
        process.stdin.close()
    return LiveLoad(1, played, {name: entry.first_word for name, entry in filed.items()})


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks streaming", description=__doc__)
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="whisper_streaming, too")
    parser.add_argument("--recordings", type=int, default=20, help="recordings a level")
    parser.add_argument("--sessions", type=int, default=12, help="most sessions at once")
    parser.add_argument("--levels", type=int, nargs="*", help="these numbers of sessions alone")
    return parser.parse_args(arguments)


@dataclass(frozen=True, slots=True)
class Filed:
    """The same recording through /v1/transcribe."""

    text: str
    first_word: float  # seconds


def transcribe(base: str, recording: CorpusRecording) -> Filed:
    with recording.path.open("rb") as audio:
        answer = httpx.post(
            f"{base}/v1/transcribe",
            files={"file": audio},
            data={"language": "en", "diarize": "false"},
            timeout=300,
        )
    answer.raise_for_status()
    transcript = answer.json()
    words = [word for segment in transcript["segments"] for word in segment["words"]]
    return Filed(transcript["text"], words[0]["start"] if words else 0.0)


async def run_level(
    url: str, recordings: Sequence[CorpusRecording], sessions: int, filed: dict[str, Filed]
) -> LiveLoad:
    """Each session plays its share of the recordings, one after another, started a little apart."""
    shares = [list(itertools.islice(recordings, n, None, sessions)) for n in range(sessions)]

    async def speak(share: Sequence[CorpusRecording], delay: float) -> list[Played]:
        await asyncio.sleep(delay)
        return [await play(url, recording) for recording in share]

    spoken = await asyncio.gather(*(speak(share, 0.37 * n) for n, share in enumerate(shares)))
    firsts = {name: entry.first_word for name, entry in filed.items()}
    return LiveLoad(sessions, [played for share in spoken for played in share], firsts)


def percentile(values: Sequence[float], q: float) -> float:
    return float(np.percentile(values, q)) if values else float("nan")


def report(
    loads: Sequence[LiveLoad], filed: dict[str, Filed], recordings: Sequence[CorpusRecording], peer: LiveLoad | None
) -> None:
    live = {played.recording.id: played.text for played in loads[0].played}
    pairs = [(count_errors(r.text or "", live[r.id]), count_errors(r.text or "", filed[r.id].text)) for r in recordings]
    gap, low, high = gap_interval(pairs)
    streamed, whole = (word_error_rate([pair[side] for pair in pairs]) for side in (0, 1))
    other = "not run"
    if peer is not None:
        other = str(word_error_rate([count_errors(p.recording.text or "", p.text) for p in peer.played]))
    accuracy = Table(
        "Accuracy of one session",
        (
            "recordings",
            "words",
            "streaming WER %",
            "file WER %",
            "difference, points (95 %)",
            "whisper_streaming WER %",
        ),
        [[len(pairs), whole.words, str(streamed), str(whole), f"{gap:+.2f} ({low:+.2f} to {high:+.2f})", other]],
    )
    rows = [["this service", *load_now.row()] for load_now in loads]
    if peer is not None:
        rows.append(["whisper_streaming", *peer.row()])
    latency = Table("Lag by sessions at once, seconds", ("who", *COLUMNS), rows)
    data: dict[str, object] = {
        "live": live,
        "file": {name: entry.text for name, entry in filed.items()},
        "held": max((load_now.sessions for load_now in loads if load_now.held), default=0),
    }
    command = " ".join(["python -m benchmarks streaming", *sys.argv[2:]])
    page = write(Report("streaming", command, [latency, accuracy], data=data))
    print(page.read_text())


def gap_interval(pairs: Sequence[tuple[WordErrors, WordErrors]], resamples: int = 2000) -> tuple[float, float, float]:
    """Streaming WER minus file WER in points, with a paired bootstrap's 95 % interval over recordings."""
    differences = np.array([live.edits - whole.edits for live, whole in pairs], dtype=np.float64)
    words = np.array([whole.words for _, whole in pairs], dtype=np.float64)
    rows = np.random.default_rng(0).integers(0, len(pairs), (resamples, len(pairs)))
    rates = differences[rows].sum(axis=1) / words[rows].sum(axis=1) * 100
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(differences.sum() / words.sum() * 100), float(low), float(high)
