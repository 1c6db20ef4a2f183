"""Live speech: how soon a word is shown and final, what streaming costs in accuracy, how many can speak at once.

Recordings are played at the speed of speech into /v1/stream, one session first, then
more at once until the lag of the 95th percentile passes two seconds. Where a peer runs, the two take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE

import httpx
import numpy as np

from benchmarks.playback import Played, ShownWord, play
from benchmarks.recordings import CorpusRecording, as_wav, load
from benchmarks.report import Report, Table, write
from benchmarks.scoring import count_errors, gap_interval, word_error_rate
from benchmarks.service import Service
from benchmarks.turn_edges import words_cut
from speech.activity import VoiceActivity, regions

GROUPS = ("A-read", "A-command", "A-telephone")
SHORTEST = 1.5  # seconds of a recording
TAIL = 1.5  # seconds of silence behind every other recording
NOTE = (
    "Shown and final: from the end of a word to its message. End of turn: from the end of the recording's speech, by "
    "voice activity, to its last word being final, where silence followed. Cut wrongly: words beside the end of a turn "
    "inside a recording that are not what was said."
)
HELD_LAG = 2.0  # seconds, 95th percentile from spoken to shown


@dataclass(frozen=True, slots=True)
class LiveLoad:
    """One level: this many sessions at once."""

    who: str
    sessions: int
    played: list[Played]
    filed: dict[str, Filed]  # by recording's id

    @property
    def words(self) -> list[ShownWord]:
        return [word for played in self.played for word in played.words]

    @property
    def shown_lags(self) -> list[float]:
        return [word.shown - word.end for word in self.words]

    @property
    def held(self) -> bool:
        return percentile(self.shown_lags, 95) < HELD_LAG

    @property
    def turn_lags(self) -> list[float]:
        """From the end of a recording's speech to its last word being final, where silence followed."""
        ends = [(p.last_final, self.filed[p.recording.id].speech_end) for p in self.played if p.tail]
        return [final - end for final, end in ends if final is not None]

    @property
    def cut(self) -> float:
        """Words cut wrongly, percent of those said."""
        texts = [(p, p.recording.text or "") for p in self.played]
        said = sum(count_errors(text, text).words for _, text in texts)
        cut = sum(words_cut(text, [word.text for word in p.words], p.turn_ends) for p, text in texts)
        return 100 * cut / max(said, 1)

    def row(self) -> list[object]:
        final_lags = [word.final - word.end for word in self.words]
        firsts = [p.first_partial - self.filed[p.recording.id].first_word for p in self.played if p.first_partial]
        stops = [p.stop_to_final for p in self.played if not p.tail]
        updates = [p.updates / p.recording.duration for p in self.played]
        lags = (firsts, self.shown_lags, final_lags, self.turn_lags, stops)
        spread = [percentile(values, q) for values in lags for q in (50, 95)]
        cut = self.cut if any(p.turn_ends for p in self.played) else "not told"
        held = "yes" if self.held else "no"
        return [self.who, self.sessions, len(self.played), *spread, cut, float(np.median(updates)), held]


COLUMNS = (
    "who", "sessions", "recordings", "first partial p50", "p95", "shown p50", "p95", "final p50", "p95",
    "end of turn p50", "p95", "stop to final p50", "p95", "words cut wrongly %", "updates per s", "held",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    chosen = [clip for clip in load(GROUPS) if clip.text and clip.language == "en" and clip.duration >= SHORTEST]
    recordings = [as_wav(clip) for clip in chosen][: options.recordings]
    config: dict[str, object] = {"language": "en", "end_of_turn": options.policy}
    with Service() as service, peer_process(options.peer) as peer:
        host = f"127.0.0.1:{service.port}"
        activity = VoiceActivity()
        filed = {recording.id: transcribe(f"http://{host}", recording, activity) for recording in recordings}
        loads: list[LiveLoad] = []
        for sessions in options.levels:
            heard_by_peer = peer if sessions == 1 else None
            level = run_level(f"ws://{host}/v1/stream", recordings, sessions, config, heard_by_peer)
            for who, played in asyncio.run(level).items():
                loads.append(LiveLoad(who, sessions, played, filed))
                print(loads[-1].row(), flush=True)
            if not loads[0].held:
                break
    report(loads, filed, recordings)
    return 0


class StreamingPeer:
    """whisper_streaming's own loop in a process of its own, one recording at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._read()

    def play(self, recording: CorpusRecording) -> Played:
        assert self._process.stdin
        print(recording.path, file=self._process.stdin, flush=True)
        heard = json.loads(self._read())
        words = [ShownWord(*word) for word in heard["words"]]
        return Played(recording, words, heard["first"], heard["stop"], heard["text"])

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


@contextmanager
def peer_process(wanted: bool) -> Iterator[StreamingPeer | None]:
    if not wanted:
        yield None
        return
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "benchmarks.peers.whisper_streaming"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as process:
        yield StreamingPeer(process)
        assert process.stdin
        process.stdin.close()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks streaming", description=__doc__)
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="whisper_streaming, too")
    parser.add_argument("--recordings", type=int, default=110, help="recordings a level")
    parser.add_argument("--levels", type=int, nargs="*", default=[1, 4, 8, 12, 16], help="sessions at once")
    parser.add_argument("--policy", choices=["evidence", "pause"], default="evidence", help="of the end of a turn")
    return parser.parse_args(arguments)


@dataclass(frozen=True, slots=True)
class Filed:
    """The same recording through /v1/transcribe."""

    text: str
    first_word: float  # seconds
    speech_end: float  # seconds, by voice activity


def transcribe(base: str, recording: CorpusRecording, activity: VoiceActivity) -> Filed:
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
    spoken = regions(activity.find_speech(recording.pcm))
    end = spoken[-1].end if spoken else recording.duration
    return Filed(transcript["text"], words[0]["start"] if words else 0.0, min(end, recording.duration))


async def run_level(
    url: str,
    recordings: Sequence[CorpusRecording],
    sessions: int,
    config: dict[str, object],
    peer: StreamingPeer | None,
) -> dict[str, list[Played]]:
    """Each session plays its share of the recordings, one after another, started a little apart.

    Every other recording of a share is followed by silence, the rest by the stop. A peer hears each recording after us.
    """
    shares = [list(itertools.islice(recordings, n, None, sessions)) for n in range(sessions)]
    by_peer: list[Played] = []

    async def speak(share: Sequence[CorpusRecording], delay: float) -> list[Played]:
        await asyncio.sleep(delay)
        spoken = []
        for number, recording in enumerate(share):
            spoken.append(await play(url, recording, config, 0.0 if number % 2 else TAIL))
            if peer is not None:
                by_peer.append(await asyncio.to_thread(peer.play, recording))
        return spoken

    spoken = await asyncio.gather(*(speak(share, 0.37 * n) for n, share in enumerate(shares)))
    ours = {"this service": [played for share in spoken for played in share]}
    return ours | ({"whisper_streaming": by_peer} if peer is not None else {})


def percentile(values: Sequence[float], q: float) -> float:
    return float(np.percentile(values, q)) if values else float("nan")


def report(loads: Sequence[LiveLoad], filed: dict[str, Filed], recordings: Sequence[CorpusRecording]) -> None:
    ours = [each for each in loads if each.who == "this service"]
    live = {played.recording.id: played.text for played in ours[0].played}
    pairs = [(count_errors(r.text or "", live[r.id]), count_errors(r.text or "", filed[r.id].text)) for r in recordings]
    gap, low, high = gap_interval(pairs)
    streamed, whole = (word_error_rate([pair[side] for pair in pairs]) for side in (0, 1))
    others = [each for each in loads if each.who != "this service"]
    heard = [count_errors(p.recording.text or "", p.text) for each in others for p in each.played]
    accuracy = Table(
        "Accuracy of the first level",
        (
            "recordings",
            "words",
            "streaming WER %",
            "file WER %",
            "difference, points (95 %)",
            "whisper_streaming WER %",
        ),
        [
            [
                len(pairs),
                whole.words,
                str(streamed),
                str(whole),
                f"{gap:+.2f} ({low:+.2f} to {high:+.2f})",
                str(word_error_rate(heard)) if heard else "not run",
            ]
        ],
    )
    latency = Table("Lag by sessions at once, seconds", COLUMNS, [each.row() for each in loads], NOTE)
    data: dict[str, object] = {
        "live": live,
        "file": {name: entry.text for name, entry in filed.items()},
        "held": max((each.sessions for each in ours if each.held), default=0),
    }
    command = " ".join(["python -m benchmarks streaming", *sys.argv[2:]])
    page = write(Report("streaming", command, [latency, accuracy], data=data))
    print(page.read_text())
