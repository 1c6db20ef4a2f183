"""Who gets the free slots: live windows first, then files by fair share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from speech.whisper.batching.fair_queue import FairQueue
from speech.whisper.batching.sequence import Sequence, State

GPU_WORKERS = 4  # one makes the words of 60 to 100 windows a second; a GPU decodes more


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """How a scheduler shares its engine between live windows and files."""

    reserved: int  # slots that files leave to live windows
    gather: int = 1  # file windows to collect before encoding beside a busy decoder
    longest_queue: int = 2048  # windows
    files_every: int = 4  # while live windows decode, files step along in every n-th turn
    file_interval: float = 2.0  # seconds between file admissions while live windows decode
    live_cooldown: float = 10.0  # seconds for which files are encoded one by one after a live window
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
        own = cls.for_slots(slots)
        return replace(own, gather=gather, files_every=1, file_interval=0.25, live_cooldown=0.0, workers=GPU_WORKERS)


class SlotAllocator:
    """Waiting windows, and the choice among them. Only the scheduler's thread touches it."""

    def __init__(self, slots: int, encode_batch: int, policy: AdmissionPolicy) -> None:
        self._slots = slots
        self._encode_batch = encode_batch
        self._policy = policy
        self._live: FairQueue[Sequence] = FairQueue()
        self._files: FairQueue[Sequence] = FairQueue()
        self._last_live = float("-inf")  # seconds, monotonic: when a live window was last admitted
        self._last_file = float("-inf")

    def __len__(self) -> int:
        return len(self._live) + len(self._files)

    def __iter__(self) -> Iterator[Sequence]:
        yield from self._live
        yield from self._files

    @property
    def seconds(self) -> float:
        """Of audio that waits."""
        return self._live.work + self._files.work

    def push(self, sequence: Sequence) -> None:
        """Queues a window."""
        assert sequence.state is State.WAITING
        request = sequence.request
        queue = self._live if sequence.live else self._files
        queue.push(sequence, request.seconds, (request.caller, request.recording))

    def drop_cancelled(self) -> int:
        """Removes the cancelled; returns how many."""
        cancelled = [sequence for sequence in self if sequence.is_cancelled()]
        for sequence in cancelled:
            sequence.move(State.DONE)
        for queue in (self._live, self._files):
            queue.keep(lambda sequence: sequence.state is State.WAITING)
        return len(cancelled)

    def allocate(self, occupied: Mapping[int, Sequence], now: float) -> list[Sequence]:
        """The windows to encode now, each with its slot set.

        occupied: the sequences in slots; now: seconds, monotonic
        """
        free = [slot for slot in range(self._slots) if slot not in occupied]
        live = self._assign(self._live, free[: self._encode_batch])
        if live:
            self._last_live = now
            return live
        count = self._file_slots(occupied, len(free), now)
        files = self._assign(self._files, free[:count])
        if files:
            self._last_file = now
        return files

    def _file_slots(self, occupied: Mapping[int, Sequence], free: int, now: float) -> int:
        """How many slots files may take now."""
        live = sum(sequence.live for sequence in occupied.values())
        files = len(occupied) - live
        count = min(self._slots - self._policy.reserved - files, free, self._encode_batch, len(self._files))
        if count < min(self._policy.gather, len(self._files)) and len(occupied) * 2 > self._slots:
            return 0
        if live and now - self._last_file < self._policy.file_interval:
            return 0
        if now - self._last_live < self._policy.live_cooldown:
            return min(count, 1)
        return max(count, 0)

    @staticmethod
    def _assign(queue: FairQueue[Sequence], slots: list[int]) -> list[Sequence]:
        assigned: list[Sequence] = []
        while queue and len(assigned) < len(slots):
            sequence = queue.pop()
            if sequence.future.cancelled():
                sequence.move(State.DONE)
                continue
            sequence.slot = slots[len(assigned)]
            sequence.move(State.PREFILL)
            assigned.append(sequence)
        return assigned
