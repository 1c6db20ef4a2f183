"""The same weights read the same from every form in which they are published."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.checkpoints import read_huggingface, read_openai
from export.ctranslate2 import read_ctranslate2
from export.random_weights import random_weights
from export.safetensors import read_safetensors
from export.weights import InvalidWeights, Weights
from tests.unit.export.small_whispers import dimensions
from tests.unit.export.torch_files import save_torch

HEADS = ((0, 1), (1, 0))


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(dimensions(128, (2, 2), vocabulary=300, context=30), HEADS)


def assert_same(found: Weights, expected: Weights) -> None:
    assert found.dimensions == expected.dimensions
    assert found.alignment_heads == expected.alignment_heads
    assert set(found.tensors) == set(expected.tensors)
    for name in expected.tensors:
        np.testing.assert_array_equal(found.tensors[name], expected.tensors[name], err_msg=name)


def test_an_openai_checkpoint(weights: Weights, tmp_path: Path) -> None:
    state = {name: weights.tensors[name] for name in weights.tensors}
    save_torch({"dims": {"n_mels": 80}, "model_state_dict": state}, tmp_path / "base.pt")

    assert_same(read_openai(tmp_path / "base.pt", HEADS), weights)


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    save_torch({"something": 1}, tmp_path / "base.pt")

    with pytest.raises(InvalidWeights, match="not an OpenAI checkpoint"):
        read_openai(tmp_path / "base.pt", HEADS)


HUGGINGFACE = [
    ("encoder.ln_post.", "encoder.layer_norm."), ("decoder.ln.", "decoder.layer_norm."), (".blocks.", ".layers."),
    (".cross_attn_ln.", ".encoder_attn_layer_norm."), (".attn_ln.", ".self_attn_layer_norm."),
    (".mlp_ln.", ".final_layer_norm."), (".cross_attn.", ".encoder_attn."), (".attn.", ".self_attn."),
    (".query.", ".q_proj."), (".key.", ".k_proj."), (".value.", ".v_proj."), (".out.", ".out_proj."),
    (".mlp.0.", ".fc1."), (".mlp.2.", ".fc2."), (".token_embedding.", ".embed_tokens."),
    (".positional_embedding", ".embed_positions.weight"),
]  # fmt: skip


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    header, data = {}, b""
    for name, array in tensors.items():
        for old, new in HUGGINGFACE:
            name = name.replace(old, new)  # noqa: PLW2901
        header[f"model.{name}"] = {
            "dtype": "F32",
            "shape": array.shape,
            "data_offsets": [len(data), len(data) + array.nbytes],
        }
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def test_a_hugging_face_folder_in_two_files(weights: Weights, tmp_path: Path) -> None:
    names = sorted(weights.tensors)
    for part, chosen in enumerate((names[::2], names[1::2])):
        write_safetensors(tmp_path / f"model-{part}.safetensors", {name: weights.tensors[name] for name in chosen})
    (tmp_path / "generation_config.json").write_text(json.dumps({"alignment_heads": HEADS}))

    assert_same(read_huggingface(tmp_path), weights)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(InvalidWeights, match=r"no model\.safetensors"):
        read_huggingface(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (b"", "cut short"),
        (struct.pack("<Q", 1 << 40), "cut short"),
        (struct.pack("<Q", 2) + b"[]", "header is not JSON"),
        (struct.pack("<Q", 5) + b"[" * 5, "header is not JSON"),
    ],
)
def test_a_broken_safetensors_file_is_refused(change: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(change)

    with pytest.raises(InvalidWeights, match=message):
        read_huggingface(tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 1 << 40]}, "does not lie in the file"),
        ({"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 8]}, "does not lie in the file"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "does not lie in the file"),
        ({"dtype": "I8", "shape": [8], "data_offsets": [0, 8]}, "of type I8; accepted: F32, F16, BF16"),
        ({"dtype": "F32", "shape": [2]}, "described wrongly"),
        ("text", "described wrongly"),
    ],
)
def test_a_safetensors_entry_that_lies_is_refused(entry: object, message: str, tmp_path: Path) -> None:
    header = json.dumps({"x": entry}).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))

    with pytest.raises(InvalidWeights, match=message):
        read_safetensors(tmp_path / "x.safetensors")["x"]()


def write_ctranslate2(folder: Path, weights: Weights, version: int = 6) -> None:
    """As CTranslate2 writes it: fused projections, norms as gamma and beta, a zero bias for keys."""
    tensors, fused = weights.tensors, {}
    for name in tensors:
        fused.update(_ctranslate2(name, tensors))
    parts = [struct.pack("<I", version), text("WhisperSpec"), struct.pack("<II", 3, len(fused))]
    for name, array in fused.items():
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        parts += [text(name), shape, struct.pack("<BI", 0, array.nbytes), array.tobytes()]
    (folder / "model.bin").write_bytes(b"".join([*parts, struct.pack("<I", 0)]))
    (folder / "config.json").write_text(json.dumps({"alignment_heads": weights.alignment_heads}))


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def _ctranslate2(name: str, tensors: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    if "conv" in name:
        return {name.replace(".", "/"): tensors[name]}
    if "embedding" in name:
        network = name.partition(".")[0]
        place = "embeddings/weight" if "token" in name else "position_encodings/encodings"
        return {f"{network}/{place}": tensors[name]}
    if name.split(".")[1] != "blocks":
        network, _, part = name.split(".")
        return {f"{network}/layer_norm/{'gamma' if part == 'weight' else 'beta'}": tensors[name]}
    network, _, layer, kind, *rest = name.split(".")
    place = f"{network}/layer_{layer}"
    if kind.endswith("_ln"):
        owner = {"attn_ln": "self_attention", "cross_attn_ln": "attention", "mlp_ln": "ffn"}[kind]
        return {f"{place}/{owner}/layer_norm/{'gamma' if rest[0] == 'weight' else 'beta'}": tensors[name]}
    if kind == "mlp":
        return {f"{place}/ffn/linear_{'0' if rest[0] == '0' else '1'}/{rest[1]}": tensors[name]}
    return _attention(place, kind, rest[1], tensors, name.rpartition(f".{rest[0]}.")[0])


def _attention(place: str, kind: str, what: str, tensors: Any, prefix: str) -> dict[str, Any]:
    def part(projection: str) -> Any:
        zero = np.zeros(len(tensors[f"{prefix}.query.bias"]), np.float32)
        return tensors.get(f"{prefix}.{projection}.{what}", zero)

    owner = "self_attention" if kind == "attn" else "attention"
    groups = [("query", "key", "value"), ("out",)] if kind == "attn" else [("query",), ("key", "value"), ("out",)]
    return {
        f"{place}/{owner}/linear_{index}/{what}": np.concatenate([part(projection) for projection in group])
        for index, group in enumerate(groups)
    }


def test_a_ctranslate2_folder(weights: Weights, tmp_path: Path) -> None:
    write_ctranslate2(tmp_path, weights)

    assert_same(read_ctranslate2(tmp_path), weights)


def test_a_ctranslate2_model_of_another_version(weights: Weights, tmp_path: Path) -> None:
    write_ctranslate2(tmp_path, weights, version=5)

    with pytest.raises(InvalidWeights, match="version 5; a WhisperSpec of version 6 is accepted"):
        read_ctranslate2(tmp_path)


def test_a_ctranslate2_model_that_is_cut_short(weights: Weights, tmp_path: Path) -> None:
    write_ctranslate2(tmp_path, weights)
    whole = (tmp_path / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InvalidWeights):
        read_ctranslate2(tmp_path)
