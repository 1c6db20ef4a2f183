"""How many slots of each size of Whisper a GPU holds, as a Markdown table: nothing is loaded for it."""

from __future__ import annotations

from collections.abc import Sequence

from export.sizes import PUBLISHED, published
from speech.whisper.batching.slot_allocator import AdmissionPolicy
from speech.whisper.gpu.artifacts import USUAL_SLOTS
from speech.whisper.gpu.memory_plan import fitting_slots, footprint

CARDS = (40, 80)  # GB: both A100


def memory_table(cards: Sequence[int] = CARDS) -> str:
    """cards: memory in GB (10⁹ bytes)"""
    titles = ["model", "weights", "batch and scratch", "a slot", f"all, with {USUAL_SLOTS} slots"]
    titles += [f"slots that fit in {card} GB (served: live + file)" for card in cards]
    lines = [titles, ["---"] * len(titles), *(_row(model, cards) for model in PUBLISHED)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(model: str, cards: Sequence[int]) -> list[str]:
    needs = footprint(published(model))
    besides = needs.encoded + needs.scratch
    sizes = [needs.weights, besides, needs.slot, needs.weights + besides + USUAL_SLOTS * needs.slot]
    fitting = [fitting_slots(card * 10**9 - needs.weights, besides, needs.slot) for card in cards]
    return [model, *map(_gb, sizes), *map(_served, fitting)]


def _served(fitting: int) -> str:
    slots = min(fitting, USUAL_SLOTS)
    live = AdmissionPolicy.for_slots(slots).reserved if slots else 0
    return f"{fitting} ({live} + {slots - live})"


def _gb(size: int) -> str:
    return f"{size / 10**9:.2f} GB"
