"""Whisper's decoder as a graph for GPUs: caches written in place, one pass over any number of tokens.

Opset 24's TensorScatter and Attention become TensorRT's KV_CACHE_UPDATE and ATTENTION; ONNX Runtime
runs the same graph on CPUs, where it is held against the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from export.encoder import fused_projection
from export.graph import FLOAT, INT64, Graph
from export.token_selection import Vocabulary, padded_embedding, prompt_probabilities, select_token
from export.weights import Tensors, Weights
from speech.whisper.engine import HEAD_SIZE, Dimensions


def decoder_graph(weights: Weights, vocabulary: Vocabulary, precision: type[np.floating[Any]] = np.float16) -> Graph:
    """ids (b, s), position (b,), frames (b,), at (r,), what `select_token` asks for, and caches → its answers after the
    tokens `at`, and the caches with the new tokens, as new_<name>.

    at: places in ids, row by row: one of each row that has a prompt, or many of one row that has a draft
    frames: how many of the window are attended to, the first ones
    self_key_<l>, self_value_<l>: (b, heads, 448, 64), written from `position` on
    alignment_query: (b, alignment heads, 448, 64), likewise: what each token asks the window's keys. Their product, the
        attention weights, is made where a text ends: a step would have to read those heads' keys twice more
    cross_key_<l>, cross_value_<l>: (b, heads, 1500, 64), the keys scaled by 1/√64 as the encoder graph gives them
    Rows are slots: what an inactive row writes is what lies there, or is overwritten before it is read.
    """
    graph = Graph("decoder", precision)
    ids = graph.input("ids", INT64, ["batch", "tokens"])
    position, frames = (graph.input(name, INT64, ["batch"]) for name in ("position", "frames"))
    at = graph.input("at", INT64, ["rows"])
    positions = _positions(graph, ids, position)
    seen = [_mask(graph, positions, weights.dimensions.n_text_ctx)]
    hidden = _hidden_states(graph, weights, (ids, position, positions), (seen, frames))
    states = graph.node("Reshape", [hidden, graph.integers(-1, weights.dimensions.n_text_state)])
    logits = _logits(graph, weights, graph.node("Gather", [states, at], axis=0))
    prompt_probabilities(graph, vocabulary, logits)
    fed = graph.node("Gather", [graph.node("Reshape", [ids, graph.integers(-1, 1)]), at], axis=0)
    select_token(graph, vocabulary, logits, fed, "rows")
    return graph


def step_graph(weights: Weights, vocabulary: Vocabulary, decoder: Graph) -> Graph:
    """The decoder for one token a row, without `at`, `language` and `no_speech`: ids is (b, 1).

    forced (b,): token that is fed instead of the row's, where it is not negative: of a prompt
    length (b,): how many tokens of the text are attended to, position + 1; less where the row's answer is not asked

    decoder: the decoder's graph, whose constants it has
    Nothing in it depends on how many tokens there are, so nothing is computed on the host: a CUDA graph can hold it.
    """
    graph = Graph("step", decoder.precision.type, decoder.constants)
    ids = graph.input("ids", INT64, ["batch", 1])
    position = graph.input("position", INT64, ["batch"])
    forced, length, frames = (graph.input(name, INT64, ["batch"]) for name in ("forced", "length", "frames"))
    column, other = (graph.node("Unsqueeze", [each, graph.integers(1)]) for each in (position, forced))
    given = graph.node("GreaterOrEqual", [other, graph.constant("scalar_0", np.array(0))])
    fed = graph.node("Where", [given, other, ids])
    hidden = _hidden_states(graph, weights, (fed, position, column), (["", "", "", length], frames))
    logits = _logits(graph, weights, graph.node("Squeeze", [hidden, graph.integers(1)]))
    select_token(graph, vocabulary, logits, fed, "batch")
    return graph


def _hidden_states(graph: Graph, weights: Weights, tokens: tuple[str, str, str], bounds: tuple[list[str], str]) -> str:
    """All layers, (b, s, d), and the caches as outputs.

    tokens: ids (b, s); position (b,) of the first; positions (b, s)
    bounds: what is attended to: inputs of self-attention behind query, key and value; how many frames, (b,)
    """
    dimensions, tensors = weights.dimensions, weights.tensors
    ids, position, positions = tokens
    own, frames = bounds
    embedding = _embedding(graph, tensors)
    table = graph.constant("positions", tensors["decoder.positional_embedding"])
    hidden = graph.node("Add", [graph.node("Gather", [embedding, ids]), graph.node("Gather", [table, positions])])
    shapes = _cache_shapes(dimensions)
    asking: list[str] = []
    for layer in range(dimensions.n_text_layer):
        caches = {name: graph.input(f"{name}_{layer}", graph.element, shape) for name, shape in shapes.items()}
        hidden = _self_attention(graph, tensors, hidden, (layer, position, own, caches))
        query = _cross_query(graph, tensors, hidden, layer)
        heads = [head for aligned, head in weights.alignment_heads if aligned == layer]
        if heads:
            chosen = graph.constant("heads_" + "_".join(map(str, heads)), np.array(heads))
            asking.append(graph.node("Gather", [query, chosen], axis=1))
        hidden = _cross_attention(graph, tensors, hidden, (layer, query, frames, caches))
        hidden = _mlp(graph, tensors, hidden, layer)
    shape = [len(weights.alignment_heads), dimensions.n_text_ctx, HEAD_SIZE]
    cache = graph.input("alignment_query", graph.element, ["batch", *shape])
    _write(graph, cache, graph.node("Concat", asking, axis=1), position, shape)
    return hidden


def _logits(graph: Graph, weights: Weights, hidden: str) -> str:
    """One token's, in float32: (b, d) → (b, whole blocks of the vocabulary)."""
    normed = _norm(graph, weights.tensors, hidden, "decoder.ln")
    turned = graph.node("Transpose", [_embedding(graph, weights.tensors)], perm=[1, 0])
    return graph.node("Cast", [graph.node("MatMul", [normed, turned])], to=FLOAT)


def _embedding(graph: Graph, tensors: Tensors) -> str:
    name = "embedding"
    if name not in graph.constants:
        graph.constant(name, padded_embedding(tensors["decoder.token_embedding.weight"]))
    return name


def _cache_shapes(dimensions: Dimensions) -> dict[str, list[int | str]]:
    heads = dimensions.n_text_head
    own: list[int | str] = ["batch", heads, dimensions.n_text_ctx, HEAD_SIZE]
    frames: list[int | str] = ["batch", heads, dimensions.n_audio_ctx, HEAD_SIZE]
    return {"self_key": own, "self_value": own, "cross_key": frames, "cross_value": frames}


def _positions(graph: Graph, ids: str, position: str) -> str:
    """Position of each token in its sequence: (b, s)."""
    count = graph.node("Squeeze", [graph.node("Shape", [ids], start=1, end=2)])
    zero, one = (graph.constant(f"scalar_{value}", np.array(value)) for value in (0, 1))
    offsets = graph.node("Range", [zero, count, one])
    return graph.node("Add", [graph.node("Unsqueeze", [position, graph.integers(1)]), offsets])


def _mask(graph: Graph, positions: str, context: int) -> str:
    """Causal mask, (b, 1, s, 448): true for a token itself and those before it."""
    columns = graph.constant("columns", np.arange(context))
    rows = graph.node("Unsqueeze", [positions, graph.integers(1, 3)])
    return graph.node("LessOrEqual", [columns, rows])


def _self_attention(
    graph: Graph, tensors: Tensors, hidden: str, place: tuple[int, str, list[str], dict[str, str]]
) -> str:
    layer, position, bounds, caches = place
    name = f"decoder.blocks.{layer}.attn"
    weight, bias = fused_projection(tensors, name)
    fused = graph.linear(_norm(graph, tensors, hidden, f"{name}_ln"), weight, bias, f"{name}.fused")
    query, *written = (graph.split_heads(part) for part in graph.split(fused, 3))
    kept = []
    for cache, update in zip(("self_key", "self_value"), written, strict=True):
        shape = [weight.shape[1] // HEAD_SIZE, len(tensors["decoder.positional_embedding"]), HEAD_SIZE]
        kept.append(_write(graph, caches[cache], update, position, shape))
    attended = graph.node("Attention", [query, *kept, *bounds], scale=1.0)
    return _out(graph, tensors, hidden, attended, name)


def _write(graph: Graph, cache: str, update: str, position: str, shape: list[int]) -> str:
    """The cache with what each row's tokens add from its position on; TensorRT wants it itself as an output."""
    whole = graph.node("TensorScatter", [cache, update, position], name=f"new_{cache}", axis=2)
    graph.output(whole, whole, graph.element, ["batch", *shape])
    return whole


def _cross_query(graph: Graph, tensors: Tensors, hidden: str, layer: int) -> str:
    name = f"decoder.blocks.{layer}.cross_attn"
    normed = _norm(graph, tensors, hidden, f"{name}_ln")
    weight, bias = tensors[f"{name}.query.weight"], tensors[f"{name}.query.bias"]
    return graph.split_heads(graph.linear(normed, weight, bias, f"{name}.query"))


def _cross_attention(graph: Graph, tensors: Tensors, hidden: str, place: tuple[int, str, str, dict[str, str]]) -> str:
    layer, query, frames, caches = place
    inputs = [query, caches["cross_key"], caches["cross_value"], "", "", "", frames]
    attended = graph.node("Attention", inputs, scale=1.0)
    return _out(graph, tensors, hidden, attended, f"decoder.blocks.{layer}.cross_attn")


def _out(graph: Graph, tensors: Tensors, hidden: str, attended: str, name: str) -> str:
    weight, bias = tensors[f"{name}.out.weight"], tensors[f"{name}.out.bias"]
    return graph.node("Add", [hidden, graph.linear(graph.join_heads(attended), weight, bias, f"{name}.out")])


def _mlp(graph: Graph, tensors: Tensors, hidden: str, layer: int) -> str:
    name = f"decoder.blocks.{layer}.mlp"
    source = _norm(graph, tensors, hidden, f"{name}_ln")
    for part in ("0", "2"):
        source = graph.linear(
            source, tensors[f"{name}.{part}.weight"], tensors[f"{name}.{part}.bias"], f"{name}.{part}"
        )
        source = graph.node("Gelu", [source]) if part == "0" else source
    return graph.node("Add", [hidden, source])


def _norm(graph: Graph, tensors: Tensors, source: str, name: str) -> str:
    return graph.layer_norm(source, tensors[f"{name}.weight"], tensors[f"{name}.bias"], name)
