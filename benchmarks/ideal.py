"""What a card could do at best with a Whisper: arithmetic over its data sheet.

An encoder pass is bound by its matrix products. A decoder step is bound by what it reads: every weight of the decoder
once, and the keys and values of each sequence's 30 s. 85 % of the data sheet counts as the most that kernels reach.
The text's own keys and values are left out: a thirtieth of the window's on the mean, but almost a third where all
448 places are read at every step, as the graphs do that know a mask and no length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from speech.whisper.engine import Dimensions

REACHABLE = 0.85  # of the data sheet
WINDOW = 30.0  # seconds
TOKENS = 100  # of a window
HALF = 2  # bytes of a float16


@dataclass(frozen=True, slots=True)
class Card:
    """By its data sheet."""

    flops: float  # float16 with tensor cores, dense, a second
    bandwidth: float  # bytes a second
    memory: float = 0.0  # GB (10⁹ bytes)
    slices: int = 7  # that its multiprocessors can be parted into (MIG)


def _card(tera: float, gigabytes: float, memory: float, slices: int = 7) -> Card:
    return Card(tera * 1e12, gigabytes * 1e9, memory, slices)


CARDS = (  # words of the driver's name, more particular ones first
    (("A100", "40GB"), _card(312, 1555, 40)),
    (("A100", "80GB", "PCIe"), _card(312, 1935, 80)),
    (("A100", "80GB"), _card(312, 2039, 80)),
    (("A30",), _card(165, 933, 24, slices=4)),
    (("H100", "PCIe"), _card(756, 2000, 80)),
    (("H100", "NVL"), _card(835, 3900, 94)),
    (("H100", "80GB"), _card(989, 3350, 80)),
    (("H200", "NVL"), _card(835, 4800, 141)),
    (("H200",), _card(989, 4800, 141)),
    (("GH200", "144G"), _card(989, 4900, 144)),
    (("GH200",), _card(989, 4000, 96)),
    (("B200",), _card(2250, 8000, 180)),
    (("L40S",), _card(362, 864, 48)),
    (("L40",), _card(181, 864, 48)),
    (("L4",), _card(121, 300, 24)),
    (("A10",), _card(125, 600, 24)),
)
MEMORY_SLICES = 8  # a part's memory and its bandwidth are some eighths
PART = re.compile(r"(\d)g\.(\d+)gb")  # as the driver names a part of a card


# Alignment heads as OpenAI published them.
ALIGNMENT_HEADS = {"large-v3-turbo": 6, "large-v3": 10, "small": 10, "base": 8}

# Width, layers of the encoder, layers of the decoder.
MODELS = {"large-v3-turbo": (1280, 32, 4), "large-v3": (1280, 32, 32), "small": (768, 12, 12), "base": (512, 6, 6)}


def model_sizes(model: str) -> Dimensions:
    """Of one of MODELS."""
    width, encoder, decoder = MODELS[model]
    mels, vocabulary = (128, 51866) if width == 1280 else (80, 51865)
    heads = width // 64
    return Dimensions(mels, 1500, width, heads, encoder, vocabulary, 448, width, heads, decoder)


def find_card(name: str) -> Card | None:
    """By the name that the driver tells; None for an unknown card, or an unknown part of one (MIG)."""
    whole, _, part = name.partition(" MIG ")
    words = set(whole.replace("-", " ").split())
    card = next((card for wanted, card in CARDS if set(wanted) <= words), None)
    return _part_of(card, part) if card and part else card


def _part_of(card: Card, part: str) -> Card | None:
    """part: such as 2g.20gb, two slices of the multiprocessors and 20 GB of the memory"""
    named = PART.match(part)
    if named is None:
        return None
    count, memory = int(named[1]), int(named[2])
    share = round(MEMORY_SLICES * memory / card.memory) / MEMORY_SLICES
    return Card(card.flops * count / card.slices, card.bandwidth * share, memory, count)


def encode_seconds(card: Card, sizes: Dimensions, frames: int = 0) -> float:
    """Of one window in a large batch. frames: of its context; 0: of 30 s"""
    return encoder_operations(sizes, frames or sizes.n_audio_ctx) / (card.flops * REACHABLE)


def step_seconds(card: Card, sizes: Dimensions, batch: int, frames: int = 0) -> float:
    """Of one token of each of so many sequences, all of windows with so many frames."""
    d, frames = sizes.n_text_state, frames or sizes.n_audio_ctx
    weights = 14 * d * d * sizes.n_text_layer + d * sizes.n_vocab
    heard = 2 * d * frames * sizes.n_text_layer
    reading = (weights + batch * heard) * HALF / (card.bandwidth * REACHABLE)
    computing = batch * decoder_operations(sizes, frames, 0) / (card.flops * REACHABLE)
    return max(reading, computing)


def audio_rate(card: Card, sizes: Dimensions, batch: int, tokens: int = TOKENS) -> float:
    """Seconds of audio a second, encoder and decoder together, one after the other."""
    steps = tokens * step_seconds(card, sizes, batch)
    return batch * WINDOW / (batch * encode_seconds(card, sizes) + steps)


def encoder_operations(sizes: Dimensions, frames: int) -> float:
    """Of one window, its cross-attention keys and values for the decoder included."""
    d = sizes.n_audio_state
    dense = 12 * d * d * frames * sizes.n_audio_layer
    attention = 2 * d * frames * frames * sizes.n_audio_layer
    convolutions = 3 * d * (2 * frames * sizes.n_mels + frames * d)
    cross = 2 * d * sizes.n_text_state * frames * sizes.n_text_layer
    return 2.0 * (dense + attention + convolutions + cross)


def decoder_operations(sizes: Dimensions, frames: int, position: int) -> float:
    """Of one token of one sequence, the vocabulary's head included."""
    d = sizes.n_text_state
    dense = 14 * d * d * sizes.n_text_layer + d * sizes.n_vocab
    attention = 2 * d * (frames + position) * sizes.n_text_layer
    return 2.0 * (dense + attention)
