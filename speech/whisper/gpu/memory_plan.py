"""How much of a GPU's memory a Whisper needs, and how many slots fit: from its dimensions alone.

Weights and slots are exact. Activations are an upper bound: as if nothing of a layer could be overwritten before
its end. A compiled plan says what it really needs, and that counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from speech.whisper.engine import Dimensions
from speech.whisper.gpu.artifacts import ENCODE_BATCH, MOST_SLOTS, PREFILL_ROWS
from speech.whisper.gpu.runner import WINDOW
from speech.whisper.gpu.slot_kv_cache import CROSS, slot_shapes, tensor_bytes

HALF, SINGLE = 2, 4  # bytes of a float16, of a float32
SHARE = 0.8  # of the free memory that is taken: the rest is left to CUDA itself and to other models


@dataclass(frozen=True, slots=True)
class ModelSize:
    dimensions: Dimensions
    alignment_heads: int
    encoder_element: int = HALF  # bytes of a weight of the encoder's layers: 2, or 1 of int8 and float8


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of a GPU's memory."""

    slot: int  # one live sequence: cross- and self-attention, alignment queries
    weights: int
    encoded: int  # the encoder's batch of output, before it is copied to the slots
    scratch: int  # activations of the encoder's largest pass and of the decoder's, which run beside each other


def footprint(network: ModelSize) -> Footprint:
    shapes = slot_shapes(network.dimensions, network.alignment_heads)
    cross = sum(tensor_bytes(shape) for name, shape in shapes.items() if name.startswith(CROSS))
    return Footprint(
        slot=sum(map(tensor_bytes, shapes.values())),
        weights=_encoder_weights(network) + _decoder_weights(network.dimensions),
        encoded=ENCODE_BATCH * (cross + WINDOW * HALF),
        scratch=ENCODE_BATCH * _encoder_scratch(network.dimensions) + _decoder_scratch(network.dimensions),
    )


def fitting_slots(free: int, fixed: int, slot: int, share: float = SHARE) -> int:
    """How many slots a share of the memory takes that is free when the weights are loaded.

    fixed, slot: bytes, needed whatever the number of slots, and for each
    """
    return max(0, (int(free * share) - fixed) // slot)


def _encoder_weights(network: ModelSize) -> int:
    """Two convolutions, positions, per layer 12 d² and the decoder's cross-attention keys and values, 2 d² a layer."""
    sizes = network.dimensions
    d = sizes.n_audio_state
    layers = (12 * sizes.n_audio_layer + 2 * sizes.n_text_layer) * d * d
    around = 3 * d * (sizes.n_mels + d) + sizes.n_audio_ctx * d
    vectors = (13 * sizes.n_audio_layer + sizes.n_text_layer + 4) * d  # biases and norms
    return layers * network.encoder_element + (around + vectors) * HALF


def _decoder_weights(sizes: Dimensions) -> int:
    """The embedding twice (rows are gathered from one copy, the other is multiplied with), per layer 14 d²; all of it
    for prompts and once more for steps, which are a graph of their own.
    """
    d = sizes.n_text_state
    return 2 * (2 * sizes.n_vocab * d + sizes.n_text_ctx * d + sizes.n_text_layer * (14 * d + 20) * d) * HALF


def _encoder_scratch(sizes: Dimensions) -> int:
    """Of one window: its spectrum, then the states of one layer and one layer's attention weights."""
    frames, d = sizes.n_audio_ctx, sizes.n_audio_state
    spectrum = 2 * frames * (3 * 201 + sizes.n_mels) * SINGLE
    states = 12 * frames * d * HALF  # input, sum, query, key, value, attended, hidden layer before and after GELU
    weights = sizes.n_audio_head * frames * frames * HALF
    return spectrum + states + weights


def _decoder_scratch(sizes: Dimensions) -> int:
    """Of the longest prefill and of the vocabulary's logits."""
    tokens = PREFILL_ROWS * sizes.n_text_ctx
    states = 12 * tokens * sizes.n_text_state * HALF
    weights = sizes.n_text_head * tokens * sizes.n_audio_ctx * HALF
    return states + weights + 4 * MOST_SLOTS * sizes.n_vocab * SINGLE
