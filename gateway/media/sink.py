"""Where a track's samples go while they are decoded: mixed to one channel, or each channel for itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gateway.errors import BadParameter
from gateway.media.downmix import Downmix
from gateway.media.matroska import Frames
from gateway.media.recording import PcmFile
from speech.activity import Probabilities, VoiceActivity
from speech.audio import Pcm

MOST_CHANNELS_APART = 8  # that are transcribed each for itself


class ChannelSink:
    """One channel of 16-kHz samples on disk; voice activity is detected while they come."""

    def __init__(self, workdir: Path, activity: VoiceActivity) -> None:
        self.file = PcmFile(workdir)
        self.loudness = 0.0  # RMS of the loudest half second, 0..32768
        self._detector = activity.stream()
        self._speech: list[Probabilities] = []

    def write(self, pcm: Pcm) -> None:
        self.file.write(pcm)
        self._speech.append(self._detector.feed(pcm))
        self.loudness = max(self.loudness, _rms(pcm))

    def finish(self) -> Probabilities:
        """(chunks,), that somebody speaks in each 32 ms. Nothing can be written after it."""
        return np.concatenate([*self._speech, self._detector.flush()])


class TrackSink:
    """One track, which may come in pieces of different rates and channels."""

    def __init__(self, workdir: Path, activity: VoiceActivity, *, separate: bool = False) -> None:
        """separate: each channel for itself"""
        self.separate = separate
        self._workdir, self._activity = workdir, activity
        self._downmix: Downmix | None = None
        self.channels = [ChannelSink(workdir, activity)]
        self.samples = 0

    @property
    def loudness(self) -> float:
        return max(channel.loudness for channel in self.channels)

    @property
    def sound(self) -> int:
        """Samples of all channels together."""
        return self.samples * len(self.channels)

    def begin_piece(self) -> None:
        """What comes now may have other channels."""
        self._downmix = None

    def write(self, block: Frames) -> None:
        """block: int16 (n, channels), of about half a second"""
        if self.separate:
            self._write_channels(block)
        else:
            self._downmix = self._downmix or Downmix(block.shape[1])
            self.channels[0].write(self._downmix.mix(block))
        self.samples += len(block)

    def _write_channels(self, block: Frames) -> None:
        """A channel that a piece lacks is silent there. Raises BadParameter for too many."""
        if block.shape[1] > MOST_CHANNELS_APART:
            accepted = f"accepted are at most {MOST_CHANNELS_APART}"
            raise BadParameter(f"The track has {block.shape[1]} channels to separate; {accepted}.", "channels")
        while len(self.channels) < block.shape[1]:
            self.channels.append(ChannelSink(self._workdir, self._activity))
            for first in range(0, self.samples, len(block)):
                self.channels[-1].write(np.zeros(min(len(block), self.samples - first), np.int16))
        for number, channel in enumerate(self.channels):
            silent = number >= block.shape[1]
            channel.write(np.zeros(len(block), np.int16) if silent else np.ascontiguousarray(block[:, number]))

    def finish(self) -> tuple[Probabilities, ...]:
        """Of each channel. Nothing can be written after it."""
        return tuple(channel.finish() for channel in self.channels)

    def close(self) -> None:
        for channel in self.channels:
            channel.file.close()


def _rms(pcm: Pcm) -> float:
    samples = pcm.astype(np.float32)
    return float(np.sqrt(np.mean(samples * samples))) if len(pcm) else 0.0
