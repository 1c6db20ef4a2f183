"""Known voices: the speakers of a recording get the names of those that sound like them; vectors go out signed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from gateway.errors import BadParameter
from gateway.recognition.windows import OnProgress, ignore
from speech.audio import Pcm
from speech.diarization.turns import Diarization
from speech.diarization.voices import Voice, recognise
from speech.diarization.windows import VECTOR
from speech.transcript import Transcript, Turn

PREFIX = "voice1."  # of a signed vector; another kind of vector gets another number
TAG_BYTES = 16
KEY_FILE = "voice.key"
SECONDS = struct.Struct("<f")


@runtime_checkable
class VoiceDiarizer(Protocol):
    """A diarizer that knows how its speakers sound."""

    async def diarize(self, pcm: Pcm, speakers: int = 0, on_progress: OnProgress = ignore) -> Diarization: ...

    async def voice(self, pcm: Pcm) -> Voice | None: ...


@dataclass(slots=True)
class NamingDiarizer:
    """For one recording: its turns have the names of known voices, and its voices are kept for the answer."""

    diarizer: VoiceDiarizer
    known: Mapping[str, Voice]
    found: Diarization = field(default_factory=lambda: Diarization((), {}))  # after `turns`, with the names

    async def turns(self, pcm: Pcm, speakers: int = 0, on_progress: OnProgress = ignore) -> tuple[Turn, ...]:
        heard = await self.diarizer.diarize(pcm, speakers, on_progress)
        names = recognise(heard.voices, self.known)
        turns = tuple(
            replace(turn, speaker=names.get(turn.speaker, turn.speaker), known=turn.speaker in names)
            for turn in heard.turns
        )
        voices: dict[str, Voice] = {}
        for speaker, voice in heard.voices.items():
            name = names.get(speaker, speaker)
            if name not in voices or voices[name].seconds < voice.seconds:
                voices[name] = voice
        self.found = Diarization(turns, voices)
        return turns

    def voices_of(self, transcript: Transcript) -> dict[str, Voice]:
        """By the transcript's names: it numbers speakers anew, in the order of their first words."""
        found = {}
        for speaker in transcript.speakers:
            words = [word for piece in transcript.segments for word in piece.words if word.speaker == speaker]
            shares = {
                name: sum(
                    max(0.0, min(word.end, turn.end) - max(word.start, turn.start))
                    for turn in self.found.turns
                    if turn.speaker == name
                    for word in words
                )
                for name in self.found.voices
            }
            if speaker in self.found.voices and speaker in self.known:
                found[speaker] = self.found.voices[speaker]
            elif shares and max(shares.values()) > 0:
                found[speaker] = self.found.voices[max(shares, key=lambda name: shares[name])]
        return found


@dataclass(frozen=True, slots=True)
class VoiceSigner:
    """Vectors as texts that only this service can have written: foreign ones never meet its clusters."""

    key: bytes = field(repr=False)

    @classmethod
    def random(cls) -> VoiceSigner:
        return cls(secrets.token_bytes(32))

    @classmethod
    def open(cls, key: str, data: Path) -> VoiceSigner:
        """key: the operator's, or "" for one that is kept in the data folder"""
        if key:
            return cls(hashlib.sha256(key.encode()).digest())
        path = data / KEY_FILE
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(path.read_bytes())
        with os.fdopen(file, "wb") as writing:
            made = secrets.token_bytes(32)
            writing.write(made)
        return cls(made)

    def sign(self, voice: Voice) -> str:
        content = voice.vector.astype("<f2").tobytes() + SECONDS.pack(voice.seconds)
        return PREFIX + base64.urlsafe_b64encode(content + self._tag(content)).decode().rstrip("=")

    def read(self, text: str, parameter: str) -> Voice:
        """raises: BadParameter, which names the parameter"""
        try:
            encoded = text.removeprefix(PREFIX)
            signed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (binascii.Error, ValueError):
            signed = b""
        content, tag = signed[:-TAG_BYTES], signed[-TAG_BYTES:]
        if len(content) != 2 * VECTOR + SECONDS.size or not hmac.compare_digest(tag, self._tag(content)):
            raise BadParameter("A voice vector was not signed by this service; send a recording instead.", parameter)
        vector = np.frombuffer(content[: 2 * VECTOR], "<f2").astype(np.float32)
        return Voice(vector / np.linalg.norm(vector), SECONDS.unpack(content[2 * VECTOR :])[0])

    def _tag(self, content: bytes) -> bytes:
        return hmac.digest(self.key, content, "sha256")[:TAG_BYTES]
