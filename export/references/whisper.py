"""Whisper in plain torch and float32, layer by layer as in Radford et al. 2022."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from export.weights import Tensors, Weights
from speech.whisper.engine import HEAD_SIZE


class TorchWhisper:
    def __init__(self, weights: Weights) -> None:
        self._dimensions = weights.dimensions
        self._tensors: Tensors = weights.tensors

    @torch.inference_mode()
    def encode(self, mel: NDArray[np.float32]) -> Tensor:
        """mel (n_mels, 2 frames) → (frames, d)"""
        hidden = torch.from_numpy(mel)[None]
        for name, stride in (("encoder.conv1", 1), ("encoder.conv2", 2)):
            kernel, bias = self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")
            hidden = functional.gelu(functional.conv1d(hidden, kernel, bias, stride, padding=1))
        hidden = hidden[0].T
        hidden = hidden + self._tensor("encoder.positional_embedding")[: len(hidden)]
        for layer in range(self._dimensions.n_audio_layer):
            name = f"encoder.blocks.{layer}"
            normed = self._norm(hidden, f"{name}.attn_ln")
            hidden = hidden + self._attend(normed, normed, f"{name}.attn")[0]
            hidden = hidden + self._mlp(hidden, name)
        return self._norm(hidden, "encoder.ln_post")

    @torch.inference_mode()
    def cross(self, encoded: Tensor) -> NDArray[np.float32]:
        """(frames, d) → (frames, layers, 2, d): what the encoder graph gives, the keys scaled by 1/√64."""
        layers = []
        for layer in range(self._dimensions.n_text_layer):
            name = f"decoder.blocks.{layer}.cross_attn"
            keys = self._linear(encoded, f"{name}.key") * HEAD_SIZE**-0.5
            layers.append(torch.stack([keys, self._linear(encoded, f"{name}.value")], dim=1))
        result: NDArray[np.float32] = torch.stack(layers, dim=1).numpy()
        return result

    @torch.inference_mode()
    def decode(self, tokens: Sequence[int], encoded: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Logits (tokens, vocabulary), and each layer's cross-attention weights (heads, tokens, frames)."""
        embedding = self._tensor("decoder.token_embedding.weight")
        hidden = embedding[list(tokens)] + self._tensor("decoder.positional_embedding")[: len(tokens)]
        future = torch.full((len(tokens), len(tokens)), -torch.inf).triu(1)
        seen = {}
        for layer in range(self._dimensions.n_text_layer):
            name = f"decoder.blocks.{layer}"
            normed = self._norm(hidden, f"{name}.attn_ln")
            hidden = hidden + self._attend(normed, normed, f"{name}.attn", future)[0]
            normed = self._norm(hidden, f"{name}.cross_attn_ln")
            heard, seen[layer] = self._attend(normed, encoded, f"{name}.cross_attn")
            hidden = hidden + heard
            hidden = hidden + self._mlp(hidden, name)
        return self._norm(hidden, "decoder.ln") @ embedding.T, seen

    def _attend(self, hidden: Tensor, source: Tensor, name: str, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        query, key, value = (
            self._linear(part, f"{name}.{kind}").view(len(part), -1, HEAD_SIZE).transpose(0, 1)
            for part, kind in ((hidden, "query"), (source, "key"), (source, "value"))
        )
        scores = query @ key.transpose(1, 2) * HEAD_SIZE**-0.5
        weights = (scores if mask is None else scores + mask).softmax(-1)
        return self._linear((weights @ value).transpose(0, 1).flatten(1), f"{name}.out"), weights

    def _mlp(self, hidden: Tensor, name: str) -> Tensor:
        wide = functional.gelu(self._linear(self._norm(hidden, f"{name}.mlp_ln"), f"{name}.mlp.0"))
        return self._linear(wide, f"{name}.mlp.2")

    def _linear(self, source: Tensor, name: str) -> Tensor:
        bias = self._tensor(f"{name}.bias") if f"{name}.bias" in self._tensors else None
        return functional.linear(source, self._tensor(f"{name}.weight"), bias)

    def _norm(self, source: Tensor, name: str) -> Tensor:
        weight, bias = self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")
        return functional.layer_norm(source, weight.shape, weight, bias)

    def _tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self._tensors[name])
