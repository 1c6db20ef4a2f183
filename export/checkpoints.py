"""OpenAI's checkpoints and Hugging Face folders, read into the same `Weights`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.weights import Array, Heads, InvalidWeights, LazyTensors, Weights, alignment_or_default, measure


def read_openai(path: Path, heads: Heads | None) -> Weights:
    """A .pt file of openai/whisper; its alignment heads are published apart from it.

    raises: InvalidWeights
    """
    import torch

    try:
        checkpoint = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        state: dict[str, Any] = checkpoint["model_state_dict"]
    except (KeyError, RuntimeError, EOFError, ValueError) as error:
        raise InvalidWeights(f"{path} is not an OpenAI checkpoint: {error}") from error
    names = [name for name in state if name != "alignment_heads"]
    tensors = LazyTensors({name: partial(_torch_array, state[name]) for name in names})
    dimensions = measure(tensors)
    return Weights(dimensions, tensors, alignment_or_default(heads, dimensions))


def _torch_array(tensor: Any) -> Array:
    array: Array = tensor.float().numpy()
    return array


def read_huggingface(folder: Path) -> Weights:
    """A folder with model*.safetensors (one or several), config.json and generation_config.json.

    raises: InvalidWeights
    """
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise InvalidWeights(f"{folder} has no model.safetensors")
    readers: dict[str, Callable[[], Array]] = {}
    for path in files:
        for name, reader in _safetensors(path).items():
            if renamed := _openai_name(name):
                readers[renamed] = reader
    tensors = LazyTensors(readers)
    dimensions = measure(tensors)
    return Weights(dimensions, tensors, alignment_or_default(_generation_heads(folder), dimensions))


def _generation_heads(folder: Path) -> Heads | None:
    path = folder / "generation_config.json"
    if not path.exists():
        return None
    heads: Heads | None = json.loads(path.read_text(encoding="utf-8")).get("alignment_heads")
    return heads


SAFETENSORS_TYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(np.uint16),
}


def _safetensors(path: Path) -> dict[str, Callable[[], Array]]:
    """Readers of a safetensors file: u64 length, JSON header, then the data."""
    data = np.memmap(path, np.uint8, mode="r")
    length = int(data[:8].view(np.uint64)[0])
    if length > data.size - 8:
        raise InvalidWeights(f"{path} is not a safetensors file, or is cut short")
    header: dict[str, dict[str, Any]] = json.loads(data[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    body = data[8 + length :]
    return {name: partial(_read, body, entry) for name, entry in header.items()}


def _read(body: NDArray[np.uint8], entry: Mapping[str, Any]) -> Array:
    start, end = entry["data_offsets"]
    kind = SAFETENSORS_TYPES.get(entry["dtype"])
    if kind is None:
        raise InvalidWeights(f"tensors of type {entry['dtype']}; accepted: {', '.join(SAFETENSORS_TYPES)}")
    array: Array = body[start:end].view(kind).reshape(entry["shape"])
    if entry["dtype"] == "BF16":  # the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array


HUGGINGFACE_NAMES = (
    (r"^model\.", ""),
    (r"\.layers\.", ".blocks."),
    (r"\.self_attn\.", ".attn."),
    (r"\.encoder_attn\.", ".cross_attn."),
    (r"\.self_attn_layer_norm\.", ".attn_ln."),
    (r"\.encoder_attn_layer_norm\.", ".cross_attn_ln."),
    (r"\.final_layer_norm\.", ".mlp_ln."),
    (r"\.q_proj\.", ".query."),
    (r"\.k_proj\.", ".key."),
    (r"\.v_proj\.", ".value."),
    (r"\.out_proj\.", ".out."),
    (r"\.fc1\.", ".mlp.0."),
    (r"\.fc2\.", ".mlp.2."),
    (r"^encoder\.layer_norm\.", "encoder.ln_post."),
    (r"^decoder\.layer_norm\.", "decoder.ln."),
    (r"\.embed_tokens\.", ".token_embedding."),
    (r"\.embed_positions\.weight$", ".positional_embedding"),
)


def _openai_name(name: str) -> str | None:
    if name == "proj_out.weight":  # tied to the embedding
        return None
    for pattern, replacement in HUGGINGFACE_NAMES:
        name = re.sub(pattern, replacement, name)
    return name
