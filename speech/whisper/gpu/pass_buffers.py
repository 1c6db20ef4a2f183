"""What passes of the decoder are given and give besides the KV cache, by name."""

from __future__ import annotations

import numpy as np

from speech.whisper.gpu.library import GraphPass
from speech.whisper.gpu.transfer_buffer import BufferField, TransferBuffer


def bind_outputs(target: GraphPass, source: TransferBuffer, fields: dict[str, BufferField], count: int) -> None:
    """The first rows of each."""
    for name in fields:
        target.bind_output(name, source.shape(name, count), source.address(name))


def step_inputs(rows: int) -> dict[str, BufferField]:
    """A step's inputs besides ids and the KV cache."""
    place = BufferField(np.int64, (rows,))
    return row_inputs(rows) | {"forced": place, "length": place}


def row_inputs(rows: int) -> dict[str, BufferField]:
    """What a step and a pass of prompts are both given."""
    place = BufferField(np.int64, (rows,))
    return {"position": place, "frames": place} | choice_inputs(rows)


def choice_inputs(rows: int) -> dict[str, BufferField]:
    """How tokens are chosen."""
    flag, number = (BufferField(kind, (rows,)) for kind in (np.bool_, np.float32))
    return {"active": flag, "first": flag, "temperature": number, "draw": number}


def step_outputs(rows: int) -> dict[str, BufferField]:
    """A step's outputs besides the KV cache."""
    return {"token": BufferField(np.int64, (rows, 1)), "logprob": BufferField(np.float32, (rows,))}


def prompt_inputs(rows: int, text: int) -> dict[str, BufferField]:
    """What is sent for prompts: the decoder's inputs besides the KV cache, and the token that is fed next."""
    place = BufferField(np.int64, (rows,))
    return {"ids": BufferField(np.int64, (rows * text,)), "last": place, "at": place} | row_inputs(rows)


def prompt_outputs(rows: int, languages: int) -> dict[str, BufferField]:
    language, no_speech = (BufferField(np.float32, shape) for shape in ((rows, languages), (rows,)))
    return step_outputs(rows) | {"language": language, "no_speech": no_speech}
