"""whisper_streaming's own LocalAgreement-2 loop (as WhisperLiveKit carries it) over faster-whisper, in real time.

A process of its own: reads the path of a 16 kHz WAV from each line of standard input, hears it as fast as
it would be spoken, and answers with a line of JSON. The package's wheel is read where it lies, since installing it
would bring torch; only its loop is used, with a recogniser written for the purpose: greedy, int8, base.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel

from benchmarks.peers.weights import ctranslate2_folder
from benchmarks.peers.worker import read_wav
from benchmarks.recordings import CACHE
from speech.audio import SAMPLE_RATE, to_samples

PACKAGE = Path(__file__).with_name("whisper_streaming.txt")
CHUNK = 1.0  # seconds of new audio before it decodes again: its default


def wheel(folder: Path = CACHE / "wheels") -> Path:
    """The pinned wheel, fetched the first time."""
    found = list(folder.glob("whisperlivekit-*.whl"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"]
        subprocess.run([*command, "--dest", str(folder), "--requirement", str(PACKAGE)], check=True)
        found = list(folder.glob("whisperlivekit-*.whl"))
    return found[0]


def online_processor(asr: Recogniser) -> Any:
    """The package's loop, without running the package's own start-up."""
    package = types.ModuleType("whisperlivekit")
    package.__path__ = [f"{wheel()}/whisperlivekit"]
    sys.modules["whisperlivekit"] = package
    from whisperlivekit.local_agreement.online_asr import OnlineASRProcessor  # type: ignore[import-not-found]
    from whisperlivekit.timed_objects import ASRToken  # type: ignore[import-not-found]

    asr.token = ASRToken
    return OnlineASRProcessor(asr, logfile=io.StringIO())


class Recogniser:
    """What the loop asks of a recogniser."""

    sep = ""
    tokenizer = None
    confidence_validation = False
    buffer_trimming = "segment"
    buffer_trimming_sec = 15

    def __init__(self, threads: int) -> None:
        self.model = WhisperModel(str(ctranslate2_folder()), device="cpu", compute_type="int8", cpu_threads=threads)
        self.token: Any = None

    def transcribe(self, audio: Any, init_prompt: str = "") -> list[Any]:
        segments, _ = self.model.transcribe(
            np.asarray(audio, dtype=np.float32),
            language="en",
            initial_prompt=init_prompt,
            beam_size=1,
            word_timestamps=True,
            condition_on_previous_text=True,
        )
        return list(segments)

    def ts_words(self, segments: list[Any]) -> list[Any]:
        heard = [segment for segment in segments if segment.no_speech_prob <= 0.9]
        return [
            self.token(word.start, word.end, word.word, probability=word.probability)
            for segment in heard
            for word in segment.words
        ]

    def segments_end_ts(self, segments: list[Any]) -> list[float]:
        return [segment.end for segment in segments]


@dataclass
class PacedSession:
    """One recording: what was shown, and when, in seconds since it began."""

    asr: Recogniser

    def hear(self, path: str) -> dict[str, object]:
        loop = online_processor(self.asr)
        samples = to_samples(read_wav(path))
        shown: list[float] = []
        words: list[tuple[str, float, float]] = []  # text, end in the recording, when final
        first: float | None = None
        began, at = time.monotonic(), 0
        while at < len(samples):
            due = min(at + int(CHUNK * SAMPLE_RATE), len(samples))
            time.sleep(max(0.0, began + due / SAMPLE_RATE - time.monotonic()))
            spoken = min(len(samples), max(due, int((time.monotonic() - began) * SAMPLE_RATE)))
            loop.insert_audio_chunk(samples[at:spoken])
            at = spoken
            committed, _ = loop.process_iter()
            now = time.monotonic() - began
            words += [(token.text, token.end, now) for token in committed]
            count = len(words) + len(loop.transcript_buffer.buffer)
            shown += [now] * (count - len(shown))
            first = now if first is None and count else first
        rest, _ = loop.finish()
        now = time.monotonic() - began
        words += [(token.text, token.end, now) for token in rest]
        shown += [now] * (len(words) - len(shown))
        heard = [[text, end, seen, final] for (text, end, final), seen in zip(words, shown, strict=False)]
        text = "".join(word for word, _, _ in words).strip()
        return {"words": heard, "first": first, "stop": now - len(samples) / SAMPLE_RATE, "text": text}


def main() -> None:
    session = PacedSession(Recogniser(threads=2))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(session.hear(line.strip())), flush=True)


if __name__ == "__main__":
    main()
