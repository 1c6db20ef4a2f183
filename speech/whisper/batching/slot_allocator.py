"""Who gets the free slots: live windows first, then files by fair share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from speech.whisper.batching.fair_queue import FairQueue
from speech.whisper.batching.sequence import Sequence


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """How a scheduler shares its engine."""

    reserved: int  # slots that files leave to live windows
    gather: int = 1  # file windows to collect before encoding beside a busy decoder
    longest_queue: int = 2048  # windows
    files_every: int = 4  # while live windows decode, files step along in every n-th turn
    patience: float = 2.0  # seconds between file admissions while live windows decode
    live_memory: float = 10.0  # seconds for which files are encoded one by one after a live window
    workers: int = 1  # threads that make words

    @classmethod
    def for_slots(cls, slots: int) -> AdmissionPolicy:
        """A fifth of the slots, at least one of several, is kept for live windows."""
        return cls(reserved=max(1, slots // 5) if slots > 1 else 0)

    @classmethod
    def for_gpu(cls, slots: int, encode_batch: int) -> AdmissionPolicy:
        """There a batch is encoded in a tenth of a second, and a step costs little more with many rows than with few:
        files are encoded in batches and step along with live windows."""
        gather = max(1, encode_batch // 2)
        return replace(cls.for_slots(slots), gather=gather, files_every=1, patience=0.25, live_memory=0.0)


class SlotAllocator:
    """Waiting windows and the choice among them. Only the scheduler's thread touches it."""

    def __init__(self, slots: int, encode_batch: int, policy: AdmissionPolicy) -> None:
        self._slots = slots
        self._encode_batch = encode_batch
        self._policy = policy
        self._live: FairQueue[Sequence] = FairQueue()
        self._files: FairQueue[Sequence] = FairQueue()
        self._last_live = float("-inf")
        self._last_file = float("-inf")

    def __len__(self) -> int:
        return len(self._live) + len(self._files)

    def __iter__(self) -> Iterator[Sequence]:
        yield from self._live
        yield from self._files

    def push(self, sequence: Sequence) -> None:
        """Queues a window."""
        request = sequence.request
        queue = self._live if sequence.live else self._files
        queue.push(sequence, request.seconds, (request.caller, request.recording))

    def drop_unwanted(self) -> int:
        """Removes the cancelled; returns how many."""
        before = len(self)
        wanted = {id(sequence) for sequence in self if not sequence.dropped()}
        self._live.keep(lambda sequence: id(sequence) in wanted)
        self._files.keep(lambda sequence: id(sequence) in wanted)
        return before - len(self)

    def take(self, taken: Mapping[int, Sequence], now: float) -> list[Sequence]:
        """The windows to encode now, each with its slot set.

        taken: the sequences in slots; now: seconds, monotonic
        """
        free = [slot for slot in range(self._slots) if slot not in taken]
        live = self._seat(self._live, free[: self._encode_batch])
        if live:
            self._last_live = now
            return live
        room = self._room_for_files(taken, len(free), now)
        files = self._seat(self._files, free[:room])
        if files:
            self._last_file = now
        return files

    def _room_for_files(self, taken: Mapping[int, Sequence], free: int, now: float) -> int:
        live = sum(sequence.live for sequence in taken.values())
        files = len(taken) - live
        room = min(self._slots - self._policy.reserved - files, free, self._encode_batch, len(self._files))
        if room < min(self._policy.gather, len(self._files)) and len(taken) * 2 > self._slots:
            return 0
        if live and now - self._last_file < self._policy.patience:
            return 0
        if now - self._last_live < self._policy.live_memory:
            return min(room, 1)
        return max(room, 0)

    @staticmethod
    def _seat(queue: FairQueue[Sequence], slots: list[int]) -> list[Sequence]:
        seated: list[Sequence] = []
        while queue and len(seated) < len(slots):
            sequence = queue.pop()
            if sequence.future.cancelled():
                continue
            sequence.slot = slots[len(seated)]
            seated.append(sequence)
        return seated
