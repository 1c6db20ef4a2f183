"""What a card could do at best with a Whisper: arithmetic over its data sheet.

An encoder pass is bound by its matrix products. A decoder step is bound by what it reads: every weight of the decoder
once, and the keys and values of each sequence's 30 s. 85 % of the data sheet counts as the most that kernels reach.
The text's own keys and values are left out: a thirtieth of the window's on the mean, but almost a third where all
448 places are read at every step, as the graphs do that know a mask and no length.
"""

from __future__ import annotations

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


def _card(tera: float, gigabytes: float) -> Card:
    return Card(tera * 1e12, gigabytes * 1e9)


CARDS = (  # words of the driver's name, more particular ones first
    (("A100", "40GB"), _card(312, 1555)),
    (("A100", "80GB", "PCIe"), _card(312, 1935)),
    (("A100", "80GB"), _card(312, 2039)),
    (("H100", "PCIe"), _card(756, 2000)),
    (("H100", "NVL"), _card(835, 3900)),
    (("H100", "80GB"), _card(989, 3350)),
    (("H200", "NVL"), _card(835, 4800)),
    (("H200",), _card(989, 4800)),
    (("L40S",), _card(362, 864)),
    (("L40",), _card(181, 864)),
    (("L4",), _card(121, 300)),
    (("A10",), _card(125, 600)),
)


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
    """By the name that the driver tells; None for an unknown card or for a part of one (MIG)."""
    words = name.replace("-", " ").split()
    if "MIG" in words:
        return None
    return next((card for wanted, card in CARDS if set(wanted) <= set(words)), None)


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
