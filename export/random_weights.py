"""Weights of a Whisper's true shape with seeded random numbers in them: for timing, and for tests of the export.

What they say is noise, so the manifest says where they come from, and nobody serves such an export.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np

from export.sizes import PUBLISHED, published
from export.sources import CHECKPOINTS, NO_FILE, LoadedWeights, package_tokenizer
from export.weights import Array, InvalidWeights, LazyTensors, Weights
from speech.whisper.engine import Dimensions
from speech.whisper.manifest import RANDOM, Source

REPEATED = (1 << 20) - 3  # numbers drawn at most; prime to the widths of layers, so that no two rows are alike


def load_random(model: str, data: Path, tokenizer: Path | None = None) -> LoadedWeights:
    """A published size without its weights; the tokenizer is the real one, fetched if it is not given.

    raises: InvalidWeights for a size whose dimensions are not known here; InvalidDownload for the tokenizer
    """
    if model not in PUBLISHED:
        raise InvalidWeights(f"no dimensions of {model} are known; random weights: {', '.join(PUBLISHED)}")
    weights = random_weights(published(model).dimensions, CHECKPOINTS[model].alignment_heads)
    source = Source(f"noise in the shape of {model}", RANDOM, "none", NO_FILE)
    return LoadedWeights(weights, source, tokenizer or package_tokenizer(model, data))


def random_weights(sizes: Dimensions, alignment_heads: tuple[tuple[int, int], ...] = ((0, 1),)) -> Weights:
    """Small normal numbers; norms near one, so that activations keep their size. Each is drawn once."""
    shapes = _shapes(sizes)
    readers: dict[str, Callable[[], Array]] = {
        name: cache(partial(_draw, name, shape)) for name, shape in shapes.items()
    }
    return Weights(sizes, LazyTensors(readers), alignment_heads)


def _draw(name: str, shape: tuple[int, ...]) -> Array:
    noise = _noise(zlib.crc32(name.encode()), shape)
    if "ln" in name and name.endswith("weight"):
        return 1 + 0.1 * noise
    if len(shape) == 1:
        return 0.1 * noise
    if "embedding" in name:
        return 0.05 * noise
    return noise * np.float32(np.prod(shape[1:]) ** -0.5)


def _noise(seed: int, shape: tuple[int, ...]) -> Array:
    """Normal numbers. A large tensor repeats one block from another place on: drawing them all takes a minute."""
    if math.prod(shape) <= REPEATED:
        return np.random.default_rng(seed).standard_normal(shape, np.float32)
    return np.resize(np.roll(_block_of_noise(), -(seed % REPEATED)), shape)


@cache
def _block_of_noise() -> Array:
    return np.random.default_rng(0).standard_normal(REPEATED, np.float32)


def _shapes(sizes: Dimensions) -> dict[str, tuple[int, ...]]:
    d = sizes.n_audio_state
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (d, sizes.n_mels, 3),
        "encoder.conv2.weight": (d, d, 3),
        "encoder.positional_embedding": (sizes.n_audio_ctx, d),
        "decoder.positional_embedding": (sizes.n_text_ctx, d),
        "decoder.token_embedding.weight": (sizes.n_vocab, d),
    }
    for vector in ("encoder.conv1.bias", "encoder.conv2.bias", "encoder.ln_post", "decoder.ln"):
        names = [vector] if vector.endswith("bias") else [f"{vector}.weight", f"{vector}.bias"]
        shapes |= dict.fromkeys(names, (d,))
    for network, count in (("encoder", sizes.n_audio_layer), ("decoder", sizes.n_text_layer)):
        for layer in range(count):
            shapes |= _block(f"{network}.blocks.{layer}", d, cross=network == "decoder")
    return shapes


def _block(name: str, d: int, *, cross: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.mlp.0.weight": (4 * d, d), f"{name}.mlp.0.bias": (4 * d,)}
    shapes |= {f"{name}.mlp.2.weight": (d, 4 * d), f"{name}.mlp.2.bias": (d,)}
    attentions = ["attn", "cross_attn"] if cross else ["attn"]
    for norm in [*(f"{attention}_ln" for attention in attentions), "mlp_ln"]:
        shapes |= {f"{name}.{norm}.weight": (d,), f"{name}.{norm}.bias": (d,)}
    for attention in attentions:
        for part in ("query", "key", "value", "out"):
            shapes[f"{name}.{attention}.{part}.weight"] = (d, d)
            if part != "key":
                shapes[f"{name}.{attention}.{part}.bias"] = (d,)
    return shapes
