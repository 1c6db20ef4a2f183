"""OpenAI's checkpoints and Hugging Face folders, read into the same `Weights`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from export.safetensors import read_safetensors
from export.torch_archive import read_torch, tensors_of
from export.weights import Array, Heads, InvalidWeights, LazyTensors, Weights, alignment_or_default, measure


def read_openai(path: Path, heads: Heads | None) -> Weights:
    """A .pt file of openai/whisper; its alignment heads are published apart from it.

    raises: InvalidWeights
    """
    try:
        state = tensors_of(read_torch(path)["model_state_dict"])
    except (KeyError, TypeError) as error:
        raise InvalidWeights(f"{path} is not an OpenAI checkpoint: it has no model_state_dict") from error
    tensors = LazyTensors({name: tensor.read for name, tensor in state.items() if name != "alignment_heads"})
    dimensions = measure(tensors)
    return Weights(dimensions, tensors, alignment_or_default(heads, dimensions))


def read_huggingface(folder: Path) -> Weights:
    """A folder with model*.safetensors (one or several), config.json and generation_config.json.

    raises: InvalidWeights
    """
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise InvalidWeights(f"{folder} has no model.safetensors")
    readers: dict[str, Callable[[], Array]] = {}
    for path in files:
        for name, reader in read_safetensors(path).items():
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
