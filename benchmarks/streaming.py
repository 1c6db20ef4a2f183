"""Live speech: how soon a word is shown and final, what streaming costs in accuracy, how many can speak at once.

Recordings are played at the speed of speech into /v1/stream, one session first, then more at once, up to all that is
asked for. Where a peer runs, the two take turns. `--hours` plays one long session instead, as fast as it is taken,
`--speakers` conversations whose speakers are asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE

import httpx

from benchmarks import report
from benchmarks.live_load import COLUMNS, NOTE, Filed, LiveLoad
from benchmarks.live_recordings import live_recordings
from benchmarks.live_speakers import measure_speakers
from benchmarks.long_session import measure_hours
from benchmarks.playback import Played, ShownWord, play
from benchmarks.recordings import CorpusRecording
from benchmarks.report import Report, Table
from benchmarks.scoring import count_errors, gap_interval, word_error_rate
from benchmarks.service import Service
from speech.activity import VoiceActivity, regions
from speech.audio import SAMPLE_RATE

TAIL = 1.5  # seconds of silence behind two of three recordings
LEVELS = ("1:40", "4:200", "8:80", "12:96", "16:96")


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    if options.hours:
        return measure_hours(options.hours, arguments)
    if options.speakers:
        return measure_speakers(arguments)
    recordings = live_recordings()
    levels = [(sessions, recordings[:most]) for sessions, most in options.levels]
    needed = {recording.id: recording for _, chosen in levels for recording in chosen}
    turn = {"policy": options.policy} | ({"threshold": options.threshold} if options.threshold is not None else {})
    config: dict[str, object] = {"language": "en", "end_of_turn": turn}
    with Service() as service, peer_process(bool(options.peer)) as peer:
        host = f"127.0.0.1:{service.port}"
        activity = VoiceActivity()
        filed = {each.id: transcribe(f"http://{host}", each, activity) for each in needed.values()}
        loads: list[LiveLoad] = []
        for sessions, chosen in levels:
            heard_by_peer = peer if sessions == 1 else None
            stage = Stage(f"ws://{host}/v1/stream", config, round(options.frame * SAMPLE_RATE), heard_by_peer)
            for who, played in asyncio.run(stage.run(chosen, sessions, options.peer)).items():
                loads.append(LiveLoad(who, sessions, played, filed))
                print(dict(zip(COLUMNS, loads[-1].row(), strict=True)), flush=True)
    command = report.command("streaming", arguments)
    print(report.write(composed(command, loads, filed)).read_text())
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
    parser.add_argument(
        "--levels", type=_level, nargs="*", default=[_level(each) for each in LEVELS], metavar="SESSIONS:RECORDINGS",
        help=f"sessions at once, and how many recordings they play in all (default: {' '.join(LEVELS)})",
    )  # fmt: skip
    parser.add_argument("--peer", type=int, default=12, help="recordings that whisper_streaming hears too; 0: none")
    parser.add_argument("--policy", choices=["evidence", "pause"], default="evidence", help="of the end of a turn")
    parser.add_argument(
        "--threshold", type=float, help="of the evidence for the end of a turn (default: the service's)"
    )
    parser.add_argument("--frame", type=float, default=0.1, help="seconds of sound in a frame")
    parser.add_argument("--hours", type=float, default=0.0, help="of one session, whose memory is watched")
    parser.add_argument("--speakers", action="store_true", help="who speaks, instead, in conversations")
    return parser.parse_args(arguments)


def _level(text: str) -> tuple[int, int]:
    sessions, _, recordings = text.partition(":")
    return int(sessions), int(recordings or 200)


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


@dataclass(frozen=True, slots=True)
class Stage:
    """Where recordings are played."""

    url: str
    config: dict[str, object]
    frame: int  # samples
    peer: StreamingPeer | None

    async def run(self, recordings: Sequence[CorpusRecording], sessions: int, most: int) -> dict[str, list[Played]]:
        """Each session plays its share of the recordings, one after another, started a little apart.

        Two of three recordings are followed by silence, the rest by the stop. most: recordings that the peer hears,
        each after us
        """
        by_peer: list[Played] = []

        async def speak(share: Sequence[CorpusRecording], delay: float) -> list[Played]:
            await asyncio.sleep(delay)
            spoken = []
            for number, recording in enumerate(share):
                spoken.append(await play(self.url, recording, self.config, TAIL if number % 3 else 0.0, self.frame))
                if self.peer is not None and number < most:
                    by_peer.append(await asyncio.to_thread(self.peer.play, recording))
            return spoken

        shares = shared_out(recordings, sessions)
        spoken = await asyncio.gather(*(speak(share, 0.37 * n) for n, share in enumerate(shares)))
        ours = {"this service": [played for share in spoken for played in share]}
        return ours | ({"whisper_streaming": by_peer} if by_peer else {})


def shared_out(recordings: Sequence[CorpusRecording], sessions: int) -> list[list[CorpusRecording]]:
    """Shares of about one length: the next recording goes to whoever has least."""
    shares: list[list[CorpusRecording]] = [[] for _ in range(sessions)]
    lengths = [0.0] * sessions
    for recording in recordings:
        least = lengths.index(min(lengths))
        shares[least].append(recording)
        lengths[least] += recording.duration + TAIL
    return shares


def composed(command: str, loads: Sequence[LiveLoad], filed: dict[str, Filed]) -> Report:
    ours = [each for each in loads if each.who == "this service"]
    data: dict[str, object] = {
        "live": {str(each.sessions): {played.recording.id: played.text for played in each.played} for each in ours},
        "file": {name: entry.text for name, entry in filed.items()},
        "held": max((each.sessions for each in ours if each.held), default=0),
        "end of turn": {str(each.sessions): [round(lag, 3) for lag in each.turn_lags] for each in ours},
    }
    columns = ("who", "sessions", "recordings", "words", "streaming WER %", "file WER %", "difference, points (95 %)")
    accuracy = Table("Accuracy", columns, [accuracy_row(each) for each in loads])
    latency = Table("Lag by sessions at once", COLUMNS, [each.row() for each in loads], NOTE)
    return Report("streaming", command, [latency, accuracy], data=data)


def accuracy_row(load: LiveLoad) -> list[object]:
    texts = [(played.recording.text or "", played.text, load.filed[played.recording.id].text) for played in load.played]
    pairs = [(count_errors(said, live), count_errors(said, filed)) for said, live, filed in texts]
    gap, low, high = gap_interval(pairs)
    streamed, whole = (word_error_rate([pair[side] for pair in pairs]) for side in (0, 1))
    difference = f"{gap:+.2f} ({low:+.2f} to {high:+.2f})"
    return [load.who, load.sessions, len(pairs), whole.words, str(streamed), str(whole), difference]
