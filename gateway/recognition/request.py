"""What is asked of recognition: one object from the route to the tensors of a window."""

from __future__ import annotations

from dataclasses import dataclass

from speech.languages import Script
from speech.tensors import Priority, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionRequest:
    """The options of a recording, of a live session, and of each of their windows."""

    model: str  # a Whisper id, such as "base"
    language: str | None = None  # ISO 639-1, that is spoken; None: detect it
    languages: tuple[str, ...] = ()  # the only ones that may be detected; (): any
    script: Script | None = None  # of Chinese; None: as most of it comes
    task: Task = Task.TRANSCRIBE
    regions: tuple[tuple[int, int], ...] = ()  # of a window, samples: speech whose languages are asked for
    prompt: str = ""  # words that are likely to occur, or the text before
    keyterms: tuple[str, ...] = ()  # names and words that matter: more likely wherever they may be said
    draft: str = ""  # what a window is likely to say: decoded sooner where that is so, and never otherwise
    diarize: bool = False  # whether words get speakers
    speakers: int = 0  # their number; 0: unknown
    caller: str = ""  # for fair sharing between callers
    priority: Priority = Priority.FILE
