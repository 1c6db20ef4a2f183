"""What a GPU's memory holds, by dimensions alone."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from onnx.numpy_helper import to_array

from export.decoder import decoder_graph
from export.encoder import audio_encoder_graph
from export.gpu_dialect import Float16Dialect
from export.graph import Graph
from export.memory import memory_table
from export.random_weights import random_weights
from export.sizes import PUBLISHED, published
from export.token_selection import Vocabulary
from export.tokenizer import special_tokens
from speech.whisper.gpu.memory_plan import ModelSize, fitting_slots, footprint
from speech.whisper.gpu.slot_kv_cache import slot_shapes, tensor_bytes
from tests.unit.export.small_whispers import dimensions

DOCS = Path(__file__).parents[3] / "docs" / "gpu.md"


def constants(graph: Graph) -> int:
    """Bytes."""
    return sum(to_array(constant).nbytes for constant in graph.constants.values())


def test_weights_are_counted_as_the_graphs_hold_them() -> None:
    sizes = dimensions(256, (2, 3))
    weights = random_weights(sizes)
    vocabulary = Vocabulary(sizes.n_vocab, special_tokens(sizes.n_vocab), (), ())
    encoder = constants(audio_encoder_graph(weights, Float16Dialect()))
    decoder = constants(decoder_graph(weights, vocabulary))  # a step's graph is the same once more
    second_embedding = 2 * sizes.n_vocab * sizes.n_text_state

    assert footprint(ModelSize(sizes, 1)).weights == pytest.approx(encoder + 2 * (decoder + second_embedding), rel=0.06)


def test_a_slot_is_what_its_tensors_hold() -> None:
    network = published("large-v3-turbo")
    cross, own = (4 * 2 * 20 * length * 64 * 2 for length in (1500, 448))

    assert footprint(network).slot == cross + own + 6 * 448 * 64 * 2


@pytest.mark.parametrize("model", PUBLISHED)
def test_every_slot_begins_where_a_gpu_wants_it(model: str) -> None:
    network = published(model)

    shapes = slot_shapes(network.dimensions, network.alignment_heads)

    assert math.gcd(*map(tensor_bytes, shapes.values())) % 256 == 0


def test_slots_fill_their_share_and_never_less_than_none() -> None:
    assert fitting_slots(free=1000, fixed=100, slot=100, share=0.8) == 7
    assert fitting_slots(free=100, fixed=100, slot=100, share=0.8) == 0


def test_the_documented_table_is_the_computed_one() -> None:
    assert memory_table() in DOCS.read_text(encoding="utf-8")


def test_half_precision_encoders_weigh_twice_as_much_as_eight_bits() -> None:
    network = published("large-v3")
    eight = ModelSize(network.dimensions, network.alignment_heads, encoder_element=1)

    saved = footprint(network).weights - footprint(eight).weights

    assert saved == (12 * 32 + 2 * 32) * 1280**2
