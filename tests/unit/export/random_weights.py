"""Weights of any Whisper's shape with random numbers in them, generated when asked for."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from export.sources import Opened
from export.tokenizer import special_tokens
from export.weights import Array, Tensors, Weights
from speech.whisper.engine import Dimensions
from speech.whisper.manifest import Source


def dimensions(
    state: int, layers: tuple[int, int], vocabulary: int = 51865, mels: int = 80, context: int = 1500
) -> Dimensions:
    """layers: of the encoder, of the decoder"""
    return Dimensions(
        n_mels=mels,
        n_audio_ctx=context,
        n_audio_state=state,
        n_audio_head=state // 64,
        n_audio_layer=layers[0],
        n_vocab=vocabulary,
        n_text_ctx=448,
        n_text_state=state,
        n_text_head=state // 64,
        n_text_layer=layers[1],
    )


def random_weights(sizes: Dimensions, alignment_heads: tuple[tuple[int, int], ...] = ((0, 1),)) -> Weights:
    """Small normal numbers; norms near one, so that activations keep their size. Each is drawn once."""
    shapes = _shapes(sizes)
    readers: dict[str, Callable[[], Array]] = {
        name: cache(partial(_draw, name, shape)) for name, shape in shapes.items()
    }
    return Weights(sizes, Tensors(readers), alignment_heads)


def _draw(name: str, shape: tuple[int, ...]) -> Array:
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, np.float32)
    if "ln" in name and name.endswith("weight"):
        return 1 + 0.1 * noise
    if len(shape) == 1:
        return 0.1 * noise
    if "embedding" in name:
        return 0.05 * noise
    return noise * np.float32(np.prod(shape[1:]) ** -0.5)


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


def opened(weights: Weights, folder: Path) -> Opened:
    """The weights as `open_source` would give them, with a tokenizer of single bytes and unused tokens."""
    end = special_tokens(weights.dimensions.n_vocab).end_of_text
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {text: id for id, text in enumerate([*alphabet, *(f"unused{i}" for i in range(end - len(alphabet)))])}
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return Opened(weights, Source("random", "this test", "none", "0" * 64), path)
