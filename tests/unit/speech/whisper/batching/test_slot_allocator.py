"""Who gets the free slots of a GPU."""

from __future__ import annotations

import time
from concurrent.futures import Future

import numpy as np

from speech.tensors import Priority
from speech.whisper.batching.rules import Attempt
from speech.whisper.batching.sequence import Request, Sequence
from speech.whisper.batching.slot_allocator import GPU_WORKERS, AdmissionPolicy, SlotAllocator


def waiting(priority: Priority) -> Sequence:
    request = Request(np.zeros(160, np.int16), priority=priority)
    return Sequence(request, Future(), time.monotonic(), Attempt())


def test_on_a_gpu_files_go_on_in_batches_while_people_speak() -> None:
    allocator = SlotAllocator(64, 16, AdmissionPolicy.for_gpu(64, 16))
    for _ in range(40):
        allocator.push(waiting(Priority.FILE))
    allocator.push(waiting(Priority.LIVE))

    taken = {each.slot: each for each in allocator.allocate({}, now=0.0)}
    rounds = [1]
    for turn in range(1, 4):
        new = allocator.allocate(taken, now=turn * 0.3)
        taken |= {each.slot: each for each in new}
        rounds.append(len(new))

    assert rounds == [1, 16, 16, 8]
    assert sorted(taken) == list(range(41))  # the lowest free slots: steps stay small


def test_a_gpu_s_words_are_made_by_several_threads() -> None:
    assert (AdmissionPolicy.for_gpu(64, 16).workers, AdmissionPolicy.for_slots(64).workers) == (GPU_WORKERS, 1)
    assert GPU_WORKERS > 1
