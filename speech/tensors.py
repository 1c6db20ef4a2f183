"""The wire contract of every Triton model: tensor names, types and their meaning, in one place.

The gateway writes requests and reads responses with it, the models the other way round; neither names a
tensor itself. Every config.pbtxt of model_repository says the same to Triton.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from speech.transcript import WindowResult, Word


class Task(StrEnum):
    TRANSCRIBE = "transcribe"  # in the language that is spoken
    TRANSLATE = "translate"  # into English, the one language that Whisper translates into


class Priority(StrEnum):
    LIVE = "live"  # somebody waits while speaking
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    datatype: str  # as Triton writes it on the wire
    shape: tuple[int, ...]  # -1: any
    optional: bool = False  # of an input


# whisper-<id>: one window of speech in, one result out.
AUDIO = Tensor("AUDIO", "INT16", (-1,))  # 16 kHz mono, at most 480_000 samples
LANGUAGE = Tensor("LANGUAGE", "BYTES", (1,))  # ISO 639-1; "en,fr" to detect among them, "" among all
PROMPT = Tensor("PROMPT", "BYTES", (1,), optional=True)  # text said before, may be ""
PRIORITY = Tensor("PRIORITY", "BYTES", (1,), optional=True)  # a Priority, default file
CALLER = Tensor("CALLER", "BYTES", (1,), optional=True)  # callers share the machine evenly
TASK = Tensor("TASK", "BYTES", (1,), optional=True)  # a Task, default transcribe
KEYTERMS = Tensor("KEYTERMS", "BYTES", (1,), optional=True)  # names and words that are more likely, one a line
DRAFT = Tensor("DRAFT", "BYTES", (1,), optional=True)  # what AUDIO is likely to say; changes how soon, never what
REGIONS = Tensor("REGIONS", "INT32", (-1,), optional=True)  # first sample and end of each stretch of speech in AUDIO
RESULT = Tensor("RESULT", "BYTES", (1,))  # a WindowResult as JSON

# diarizer: one chunk of a recording in, who speaks when in its windows and their voices out (speech.diarization).
# A first axis of 1 is the batch's: AUDIO goes as (1, n), n ≤ 1_080_000 (67.5 s).
ACTIVITY = Tensor("ACTIVITY", "UINT8", (-1, 589))  # (windows, frames), class of the segmentation
PIECES = Tensor("PIECES", "INT32", (-1, 5))  # (pieces, window · speaker · first frame · end · alone)
VOICES = Tensor("VOICES", "FP16", (-1, 192))  # (pieces, embedding), unit length

QUEUE_IS_FULL = "windows wait already"  # in the message of a model that is busy, and not away
GPU_METRIC = "whisper_gpu_memory_bytes"  # in Triton's metrics; the label `gpu` is its name

WHISPER_INPUTS = (AUDIO, LANGUAGE, PROMPT, PRIORITY, CALLER, TASK, KEYTERMS, DRAFT, REGIONS)
WHISPER_OUTPUTS = (RESULT,)
DIARIZER_INPUTS = (AUDIO,)
DIARIZER_OUTPUTS = (ACTIVITY, PIECES, VOICES)


def write_result(result: WindowResult) -> bytes:
    """The RESULT tensor's one element: UTF-8 JSON."""
    return json.dumps(asdict(result), ensure_ascii=False, separators=(",", ":")).encode()


def read_result(payload: bytes) -> WindowResult:
    """The inverse of `write_result`. Raises ValueError on anything else."""
    fields = json.loads(payload)
    words = tuple(Word(**word) for word in fields.pop("words"))
    regions = tuple(fields.pop("region_languages", ()))
    attention = tuple(fields.pop("attention", ()))
    return WindowResult(words=words, region_languages=regions, attention=attention, **fields)
