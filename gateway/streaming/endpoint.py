"""Where speech begins and ends in a live session, from the voice activity of each 32-ms chunk."""

from __future__ import annotations

from dataclasses import dataclass

from speech.activity import CHUNK


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    onset: float = 0.5  # probability from which a chunk opens speech
    release: float = 0.35  # probability under which a chunk counts as silence within speech
    onset_chunks: int = 3  # in a row, before an utterance is open (96 ms)
    silence_chunks: int = 20  # in a row, before it is closed (640 ms)


@dataclass(slots=True)
class Endpointer:
    """Opens an utterance at the first chunk of enough speech, closes it after enough silence.

    Counts chunks; `position` is the sample after the last chunk heard.
    """

    policy: EndpointPolicy
    position: int = 0  # samples
    speech_start: int | None = None  # samples; None: no utterance is open
    speech_end: int = 0  # samples: after the last chunk of speech
    resumed: int = 0  # samples: where the last speech began that came after a silent chunk
    _run: int = 0  # chunks of speech in a row, while no utterance is open

    @property
    def silence(self) -> int:
        """Samples since the last speech of the open utterance."""
        return self.position - self.speech_end

    def add(self, probability: float) -> bool:
        """Takes the next chunk; True when it closes the utterance (then `close` before the next)."""
        self.position += CHUNK
        if self.speech_start is None:
            self._run = self._run + 1 if probability >= self.policy.onset else 0
            if self._run >= self.policy.onset_chunks:
                self.speech_start = self.position - self._run * CHUNK
                self.speech_end, self.resumed = self.position, self.speech_start
            return False
        if probability >= self.policy.release:
            if self.silence > CHUNK:
                self.resumed = self.position - CHUNK
            self.speech_end = self.position
        return self.silence >= self.policy.silence_chunks * CHUNK

    def close(self) -> None:
        self.speech_start, self._run = None, 0
