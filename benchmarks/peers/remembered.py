"""A peer's answers kept on disk: its weights and version are pinned, so it need not hear the same file twice."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers.contender import Contender, Outcome
from benchmarks.recordings import CACHE, CorpusRecording


class Remembered:
    """Asks the contender what it was not asked before. For what it hears, never for how fast."""

    def __init__(self, contender: Contender, folder: Path = CACHE / "answers") -> None:
        self.name = contender.name
        self.contender = contender
        version = "-".join(f"{name}-{number}" for name, number in sorted(contender.versions.items()))
        self.path = folder / f"{contender.name}-{version}.json"
        self.answers: dict[str, dict[str, object]] = json.loads(self.path.read_text()) if self.path.exists() else {}

    def transcribe(self, recording: CorpusRecording, *, words: bool, language: str = "", vad: bool = True) -> Outcome:
        key = f"{recording.id} {words} {language} {vad}"
        if key not in self.answers:
            outcome = self.contender.transcribe(recording, words=words, language=language, vad=vad)
            self.answers[key] = asdict(outcome)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.answers, ensure_ascii=False))
        return Outcome(**self.answers[key])  # type: ignore[arg-type]
