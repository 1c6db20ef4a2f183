"""How many slots of each size of Whisper a GPU holds, as a Markdown table: nothing is loaded for it."""

from __future__ import annotations

from collections.abc import Sequence

from export.sources import CHECKPOINTS
from speech.whisper.batching.slot_allocator import AdmissionPolicy
from speech.whisper.engine import Dimensions
from speech.whisper.gpu.artifacts import MOST_SLOTS
from speech.whisper.gpu.memory_plan import ModelSize, fitting_slots, footprint

CARDS = (40, 80)  # GB: both A100

# What the published weights say of themselves: width, layers of the encoder and the decoder.
PUBLISHED = {
    "base": (512, 6, 6),
    "small": (768, 12, 12),
    "medium": (1024, 24, 24),
    "large-v3": (1280, 32, 32),
    "large-v3-turbo": (1280, 32, 4),
}


def published(model: str) -> ModelSize:
    width, encoder, decoder = PUBLISHED[model]
    large = width == 1280
    dimensions = Dimensions(
        n_mels=128 if large else 80,
        n_audio_ctx=1500,
        n_audio_state=width,
        n_audio_head=width // 64,
        n_audio_layer=encoder,
        n_vocab=51866 if large else 51865,
        n_text_ctx=448,
        n_text_state=width,
        n_text_head=width // 64,
        n_text_layer=decoder,
    )
    return ModelSize(dimensions, len(CHECKPOINTS[model].alignment_heads))


def memory_table(cards: Sequence[int] = CARDS) -> str:
    """cards: memory in GB (10⁹ bytes)"""
    titles = ["model", "weights", "batch and scratch", "a slot", f"all, with {MOST_SLOTS} slots"]
    titles += [f"slots that fit in {card} GB (served: live + file)" for card in cards]
    lines = [titles, ["---"] * len(titles), *(_row(model, cards) for model in PUBLISHED)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(model: str, cards: Sequence[int]) -> list[str]:
    needs = footprint(published(model))
    besides = needs.encoded + needs.scratch
    sizes = [needs.weights, besides, needs.slot, needs.weights + besides + MOST_SLOTS * needs.slot]
    fitting = [fitting_slots(card * 10**9 - needs.weights, besides, needs.slot) for card in cards]
    return [model, *map(_gb, sizes), *map(_served, fitting)]


def _served(fitting: int) -> str:
    slots = min(fitting, MOST_SLOTS)
    live = AdmissionPolicy.for_slots(slots).reserved if slots else 0
    return f"{fitting} ({live} + {slots - live})"


def _gb(size: int) -> str:
    return f"{size / 10**9:.2f} GB"
