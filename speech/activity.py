"""Where somebody speaks: Silero VAD, one probability per 32 ms, over a whole recording or as it arrives.

A chunk costs about 10 µs in a long block and 50 µs alone, 0.2 % of a core per live session, so sessions
need not share a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, Pcm, Samples, to_samples

CHUNK = 512  # samples: what one probability covers
CONTEXT = 64  # samples of the chunk before that the network also sees
CHUNK_SECONDS = CHUNK / SAMPLE_RATE
BLOCK = 512  # chunks per call of the network: 16 s
WEIGHTS = Path(__file__).parent / "weights" / "silero_vad.onnx"

LEVEL = 2500.0  # RMS, of 32768: what `levelled` brings quiet sound up to, -22 dBFS
MOST_GAIN = 300.0  # 50 dB
SHORTEST_QUIET = 0.4  # seconds of speech that only the levelled sound holds
BESIDE = 10  # chunks beside speech that stay as they are: 0.3 s
WARM_UP = 128  # chunks that the network hears before a pause: 4 s
LONG_PAUSE = 5.0  # seconds without speech, after which the network may hear late that somebody speaks
LOOKED_BACK = 96  # chunks before such a beginning that a network without that past looks at: 3 s
REFRESHED = 32  # chunks that it hears before those: 1 s
REACH = 16  # chunks before and after whose loudest sets the gain: half a second

Probabilities = NDArray[np.float32]  # (chunks,), 0..1


@dataclass(frozen=True, slots=True)
class Region:
    """Speech without a longer pause."""

    start: float  # seconds
    end: float  # seconds


@dataclass(frozen=True, slots=True)
class ActivityThresholds:
    """When a stretch counts as speech. Lenient: what is not speech is found out by Whisper itself."""

    offset: float = 0.25  # probability below which speech ends
    sure: float = 0.8  # that a stretch must reach once: animals, hum and noise do not
    doubtful: float = 0.5  # enough for a stretch close to a sure one
    close: float = 2.0  # seconds
    pause: float = 0.3  # seconds below `offset` that end a region


class VoiceActivity:
    """The network; holds no state, so one serves all threads."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])

    def find_speech(self, pcm: Pcm, heard: Probabilities | None = None) -> Probabilities:
        """Probabilities in the sound as it is, and where it holds no speech in the sound brought up to a common level.

        The network misses speech below -50 dBFS, and a second voice far below the first.
        heard: those of the sound as it is, where they are known already
        """
        heard = self.probabilities(pcm) if heard is None else heard
        louder = self._levelled(pcm, _long_pauses(heard))
        told = heard.copy()
        for region in regions(louder):
            if region.end - region.start >= SHORTEST_QUIET:
                part = slice(round(region.start / CHUNK_SECONDS), round(region.end / CHUNK_SECONDS))
                told[part] = np.maximum(heard[part], louder[part])
        return self._with_first_words(pcm, told)

    def _with_first_words(self, pcm: Pcm, heard: Probabilities) -> Probabilities:
        """Half a minute of music makes the network slow to hear speech: it would miss the first words after it.

        What is before speech after a long pause is looked at by a network that heard 1 s of the pause alone.
        """
        told, end = heard.copy(), 0.0
        for region in regions(heard):
            if region.start - end >= LONG_PAUSE:
                first = round(region.start / CHUNK_SECONDS)
                before = slice(first - LOOKED_BACK, first)
                looked_at = pcm[(before.start - REFRESHED) * CHUNK : first * CHUNK]
                told[before] = np.maximum(heard[before], self.stream().feed(looked_at)[REFRESHED:])
            end = region.end
        return told

    def _levelled(self, pcm: Pcm, pauses: list[tuple[int, int]]) -> Probabilities:
        """Probabilities of the levelled sound in the pauses, and 0 outside of them. (ceil(n / CHUNK),)

        pauses: first and last chunk (exclusive) of each, in order
        """
        found = np.zeros(-(-len(pcm) // CHUNK), dtype=np.float32)
        stream, read = self.stream(), 0
        for first, stop in pauses:
            if first - WARM_UP > read:
                stream, read = self.stream(), first - WARM_UP
            for at in range(read, stop, BLOCK):
                end = min(at + BLOCK, stop)
                heard = stream.feed(levelled(pcm, at * CHUNK, end * CHUNK))
                heard = np.concatenate([heard, stream.flush()])  # of a last chunk that is not full
                seen = max(at, first)
                found[seen:end] = heard[seen - at :]
            read = stop
        return found

    def stream(self) -> ActivityStream:
        """A new stream, for audio that arrives piece by piece."""
        return ActivityStream(self._session)

    def probabilities(self, pcm: Pcm) -> Probabilities:
        """One probability per chunk, the last chunk padded with silence: (ceil(n / CHUNK),)."""
        stream = self.stream()
        found = [stream.feed(pcm[at : at + BLOCK * CHUNK]) for at in range(0, len(pcm), BLOCK * CHUNK)]
        return np.concatenate([*found, stream.flush()])


class ActivityStream:
    """Voice activity of one recording or live session, in order."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._hidden = np.zeros((1, 1, 128), dtype=np.float32)
        self._cell = np.zeros((1, 1, 128), dtype=np.float32)
        self._context: Samples = np.zeros(CONTEXT, dtype=np.float32)
        self._pending: Samples = np.zeros(0, dtype=np.float32)

    def feed(self, pcm: Pcm) -> Probabilities:
        """Probabilities of the chunks that are complete now; the rest waits for more audio."""
        samples = np.concatenate([self._pending, to_samples(pcm)])
        whole = len(samples) // CHUNK * CHUNK
        self._pending = samples[whole:]
        return self._run(samples[:whole].reshape(-1, CHUNK))

    def flush(self) -> Probabilities:
        """The probability of the last, incomplete chunk; empty if there is none."""
        if len(self._pending) == 0:
            return np.zeros(0, dtype=np.float32)
        return self.feed(np.zeros(CHUNK - len(self._pending), dtype=np.int16))

    def _run(self, chunks: NDArray[np.float32]) -> Probabilities:
        if len(chunks) == 0:
            return np.zeros(0, dtype=np.float32)
        seen = np.empty((len(chunks), CONTEXT + CHUNK), dtype=np.float32)
        seen[:, CONTEXT:] = chunks
        seen[1:, :CONTEXT] = chunks[:-1, -CONTEXT:]
        seen[0, :CONTEXT] = self._context
        self._context = chunks[-1, -CONTEXT:].copy()
        found, self._hidden, self._cell = self._session.run(None, {"input": seen, "h": self._hidden, "c": self._cell})
        probabilities: Probabilities = found.reshape(-1)
        return probabilities


def levelled(pcm: Pcm, start: int, end: int) -> Pcm:
    """Samples from `start`, a multiple of CHUNK, to `end`, amplified where they and their surroundings are quiet."""
    first = max(0, start - REACH * CHUNK)
    loudness = _loudness(pcm[first : end + REACH * CHUNK])
    loudest = np.lib.stride_tricks.sliding_window_view(np.pad(loudness, REACH), 2 * REACH + 1).max(axis=1)
    gain = np.clip(LEVEL / np.maximum(loudest, 1.0), 1.0, MOST_GAIN)
    middles = first + CHUNK * (np.arange(len(gain)) + 0.5)
    piece = pcm[start:end]
    louder = piece * np.interp(np.arange(start, start + len(piece)), middles, gain)
    amplified: Pcm = np.clip(louder, -32768, 32767).astype(np.int16)
    return amplified


def _loudness(pcm: Pcm) -> NDArray[np.float32]:
    """RMS of each chunk, of 32768; the last is filled up with silence."""
    padded = np.zeros(-(-len(pcm) // CHUNK) * CHUNK, np.float32)
    padded[: len(pcm)] = pcm
    loudness: NDArray[np.float32] = np.sqrt(np.mean(padded.reshape(-1, CHUNK) ** 2, axis=1))
    return loudness


LENIENT = ActivityThresholds()


def _long_pauses(heard: Probabilities) -> list[tuple[int, int]]:
    """First and last chunk (exclusive) of each stretch without speech, less what is beside speech."""
    spoken = [(round(each.start / CHUNK_SECONDS), round(each.end / CHUNK_SECONDS)) for each in regions(heard)]
    starts = [0, *(stop + BESIDE for _, stop in spoken)]
    stops = [*(first - BESIDE for first, _ in spoken), len(heard)]
    shortest = SHORTEST_QUIET / CHUNK_SECONDS
    return [(first, stop) for first, stop in zip(starts, stops, strict=True) if stop - first >= shortest]


def regions(probabilities: Probabilities, thresholds: ActivityThresholds = LENIENT) -> list[Region]:
    """Stretches of speech in order, not overlapping, their bounds on whole chunks."""
    voiced = np.flatnonzero(probabilities >= thresholds.offset)
    if len(voiced) == 0:
        return []
    pause = thresholds.pause / CHUNK_SECONDS
    gaps = np.flatnonzero(np.diff(voiced) - 1 >= pause)
    starts = voiced[np.concatenate([[0], gaps + 1])]
    ends = voiced[np.concatenate([gaps, [len(voiced) - 1]])] + 1
    bounds = list(zip(starts.tolist(), ends.tolist(), strict=True))
    peaks = [float(probabilities[start:end].max()) for start, end in bounds]
    stretches = [Region(start * CHUNK_SECONDS, end * CHUNK_SECONDS) for start, end in bounds]
    return [
        region
        for at, region in enumerate(stretches)
        if peaks[at] >= thresholds.sure
        or (peaks[at] >= thresholds.doubtful and _has_sure_neighbour(stretches, peaks, at, thresholds))
    ]


def _has_sure_neighbour(stretches: list[Region], peaks: list[float], at: int, thresholds: ActivityThresholds) -> bool:
    here = stretches[at]
    before = at > 0 and peaks[at - 1] >= thresholds.sure
    after = at + 1 < len(stretches) and peaks[at + 1] >= thresholds.sure
    return (before and here.start - stretches[at - 1].end <= thresholds.close) or (
        after and stretches[at + 1].start - here.end <= thresholds.close
    )
