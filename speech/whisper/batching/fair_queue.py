"""A queue that is fair between callers, and between the recordings of each.

Fair means by work, not by turns: whoever got least audio decoded is next, so a short file that arrives
behind a two-hour one starts with the next free slot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Items in a tree of flows; on each level the flow that was served least goes first.

    A flow that comes back after a pause starts level with the others: it keeps no credit.
    source: Goyal et al. 1996, Start-time Fair Queuing
    """

    def __init__(self) -> None:
        self._served: dict[str, float] = {}  # work given to each flow, in virtual time
        self._flows: dict[str, FairQueue[Item]] = {}  # those with items
        self._items: deque[tuple[Item, float]] = deque()  # at a leaf
        self._now = 0.0  # virtual time: where the flow last served stood
        self._length = 0
        self.work = 0.0  # that serving all items costs

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        for item, _ in self._items:
            yield item
        for flow in self._flows.values():
            yield from flow

    def push(self, item: Item, work: float, path: Sequence[str]) -> None:
        """work: what serving it costs, in any unit; path: the flow on each level, as (caller, recording)."""
        self._length += 1
        self.work += work
        if not path:
            self._items.append((item, work))
            return
        name = path[0]
        if name not in self._flows:
            self._flows[name] = FairQueue()
            self._served[name] = max(self._served.get(name, 0.0), self._now)
            self._forget()
        self._flows[name].push(item, work, path[1:])

    def pop(self) -> Item:
        """The next item. Raises IndexError if there is none."""
        return self._take()[0]

    def keep(self, wanted: Callable[[Item], bool]) -> None:
        """Drops the items that are not wanted."""
        self._items = deque(entry for entry in self._items if wanted(entry[0]))
        for name, flow in list(self._flows.items()):
            flow.keep(wanted)
            if not flow:
                del self._flows[name]
        self._length = len(self._items) + sum(len(flow) for flow in self._flows.values())
        self.work = sum(work for _, work in self._items) + sum(flow.work for flow in self._flows.values())

    def _take(self) -> tuple[Item, float]:
        if not self._flows:
            entry = self._items.popleft()
            self._served_one(entry[1])
            return entry
        name = min(self._flows, key=self._served.__getitem__)
        flow = self._flows[name]
        entry = flow._take()
        self._served_one(entry[1])
        self._now = self._served[name]
        self._served[name] += entry[1]
        if not flow:
            del self._flows[name]
        return entry

    def _served_one(self, work: float) -> None:
        self._length -= 1
        self.work = self.work - work if self._length else 0.0  # no rounding stays behind

    def _forget(self) -> None:
        """Drops flows that virtual time has overtaken: they would start at `now` anyhow."""
        if len(self._served) > 2 * len(self._flows) + 64:
            behind = {name for name in self._served if self._served[name] <= self._now}
            for name in behind - self._flows.keys():
                del self._served[name]
