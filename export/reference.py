"""Whisper in plain numpy: what every exported graph is compared with.

Written for clarity, layer by layer as in Radford et al. 2022, from the same tensors as the export. For published
weights it is itself compared with what torch computed (export.references).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.weights import Tensors, Weights
from speech.whisper.engine import HEAD_SIZE

NORM_EPSILON = 1e-5

Floats = NDArray[np.floating[Any]]


class Reference:
    def __init__(self, weights: Weights, precision: type[np.floating[Any]] = np.float32) -> None:
        """precision: that every layer is computed in"""
        self._dimensions = weights.dimensions
        self._tensors: Tensors = weights.tensors
        self._precision = precision

    def encode(self, mel: NDArray[np.float32]) -> Floats:
        """mel (n_mels, 2 frames) → (frames, d)"""
        hidden: Floats = mel.T.astype(self._precision)
        for name, stride in (("encoder.conv1", 1), ("encoder.conv2", 2)):
            hidden = gelu(self._convolution(hidden, name, stride))
        hidden = hidden + self._tensor("encoder.positional_embedding")[: len(hidden)]
        for layer in range(self._dimensions.n_audio_layer):
            name = f"encoder.blocks.{layer}"
            normed = self._norm(hidden, f"{name}.attn_ln")
            hidden = hidden + self._attend(normed, normed, f"{name}.attn")[0]
            hidden = hidden + self._mlp(hidden, name)
        return self._norm(hidden, "encoder.ln_post")

    def cross(self, encoded: Floats) -> NDArray[np.float32]:
        """(frames, d) → (frames, layers, 2, d): what the encoder graph gives, the keys scaled by 1/√64."""
        layers = []
        for layer in range(self._dimensions.n_text_layer):
            name = f"decoder.blocks.{layer}.cross_attn"
            keys = self._linear(encoded, f"{name}.key") * HEAD_SIZE**-0.5
            layers.append(np.stack([keys, self._linear(encoded, f"{name}.value")], axis=1))
        stacked: NDArray[np.float32] = np.stack(layers, axis=1).astype(np.float32)
        return stacked

    def decode(self, tokens: Sequence[int], encoded: Floats) -> tuple[Floats, dict[int, Floats]]:
        """Logits (tokens, vocabulary), and each layer's cross-attention weights (heads, tokens, frames)."""
        embedding = self._tensor("decoder.token_embedding.weight")
        hidden = embedding[list(tokens)] + self._tensor("decoder.positional_embedding")[: len(tokens)]
        future = np.triu(np.full((len(tokens), len(tokens)), -np.inf, self._precision), 1)
        alignment = {}
        for layer in range(self._dimensions.n_text_layer):
            name = f"decoder.blocks.{layer}"
            normed = self._norm(hidden, f"{name}.attn_ln")
            hidden = hidden + self._attend(normed, normed, f"{name}.attn", future)[0]
            normed = self._norm(hidden, f"{name}.cross_attn_ln")
            attended, alignment[layer] = self._attend(normed, encoded, f"{name}.cross_attn")
            hidden = hidden + attended
            hidden = hidden + self._mlp(hidden, name)
        return self._norm(hidden, "decoder.ln") @ embedding.T, alignment

    def _attend(self, hidden: Floats, source: Floats, name: str, mask: Floats | None = None) -> tuple[Floats, Floats]:
        """What a query (n, d) finds in a source (m, d): (n, d), and the weights (heads, n, m)."""
        query, key, value = (
            self._linear(part, f"{name}.{kind}").reshape(len(part), -1, HEAD_SIZE).transpose(1, 0, 2)
            for part, kind in ((hidden, "query"), (source, "key"), (source, "value"))
        )
        scores = query @ key.transpose(0, 2, 1) * self._precision(HEAD_SIZE**-0.5)
        weights = softmax(scores if mask is None else scores + mask)
        return self._linear((weights @ value).transpose(1, 0, 2).reshape(hidden.shape), f"{name}.out"), weights

    def _mlp(self, hidden: Floats, name: str) -> Floats:
        wide = gelu(self._linear(self._norm(hidden, f"{name}.mlp_ln"), f"{name}.mlp.0"))
        return self._linear(wide, f"{name}.mlp.2")

    def _convolution(self, hidden: Floats, name: str, stride: int) -> Floats:
        """Width 3, padded by one: (n, in) → (⌈n / stride⌉, out)"""
        padded = np.pad(hidden, ((1, 1), (0, 0)))
        taps = [padded[tap : tap + len(hidden) : stride] for tap in range(3)]
        kernel = self._tensor(f"{name}.weight")
        # Copies, as numpy multiplies what lies otherwise without BLAS: minutes for a large model.
        products = [part @ np.ascontiguousarray(kernel[:, :, tap].T) for tap, part in enumerate(taps)]
        convolved: Floats = np.sum(products, axis=0) + self._tensor(f"{name}.bias")
        return convolved

    def _linear(self, source: Floats, name: str) -> Floats:
        product: Floats = source @ self._tensor(f"{name}.weight").T
        return product + self._tensor(f"{name}.bias") if f"{name}.bias" in self._tensors else product

    def _norm(self, source: Floats, name: str) -> Floats:
        centred = source - source.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self._precision(NORM_EPSILON))
        normed: Floats = centred / deviation * self._tensor(f"{name}.weight") + self._tensor(f"{name}.bias")
        return normed

    def _tensor(self, name: str) -> Floats:
        return self._tensors[name].astype(self._precision, copy=False)


def softmax(scores: Floats) -> Floats:
    """Over the last axis."""
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return shares


def gelu(values: Floats) -> Floats:
    """x · Φ(x), within 1.5e-7 · |x|.

    source: Abramowitz and Stegun 1964, formula 7.1.26 of the error function
    """
    one = values.dtype.type(1)
    size = np.abs(values) * values.dtype.type(0.5**0.5)
    t = one / (one + values.dtype.type(0.3275911) * size)
    series = np.zeros_like(t)
    for coefficient in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + values.dtype.type(coefficient)) * t
    erf = np.copysign(one - series * np.exp(-size * size), values)
    product: Floats = values * (one + erf) * values.dtype.type(0.5)
    return product
