"""The conversion for whisper.cpp: header, filters, vocabulary and tensors are where its reader looks for them."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.ctranslate2 import read_tensors
from benchmarks.peers.ggml import convert, mel_filters, openai_tensors

STATE, MELS, VOCABULARY = 8, 80, 6


def write_string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def write_model(folder: Path) -> dict[str, np.ndarray]:
    """A CTranslate2 Whisper of one layer a side and eight channels."""
    rng = np.random.default_rng(0)
    shapes = {
        "encoder/conv1/weight": (STATE, MELS, 3),
        "encoder/conv1/bias": (STATE,),
        "encoder/conv2/weight": (STATE, STATE, 3),
        "encoder/conv2/bias": (STATE,),
        "encoder/position_encodings/encodings": (10, STATE),
        "decoder/position_encodings/encodings": (7, STATE),
        "decoder/embeddings/weight": (VOCABULARY, STATE),
    }
    for side, blocks in {"encoder": ["self_attention"], "decoder": ["self_attention", "attention"]}.items():
        layer = f"{side}/layer_0"
        for block in blocks:
            widths = (3, 1) if block == "self_attention" else (1, 2, 1)
            for index, width in enumerate(widths):
                shapes[f"{layer}/{block}/linear_{index}/weight"] = (width * STATE, STATE)
                shapes[f"{layer}/{block}/linear_{index}/bias"] = (width * STATE,)
        shapes |= {f"{layer}/ffn/linear_0/weight": (4 * STATE, STATE), f"{layer}/ffn/linear_0/bias": (4 * STATE,)}
        shapes |= {f"{layer}/ffn/linear_1/weight": (STATE, 4 * STATE), f"{layer}/ffn/linear_1/bias": (STATE,)}
        for norm in [f"{layer}/{block}/layer_norm" for block in [*blocks, "ffn"]] + [f"{side}/layer_norm"]:
            shapes |= {f"{norm}/beta": (STATE,), f"{norm}/gamma": (STATE,)}
    tensors = {name: rng.normal(size=shape).astype(np.float16) for name, shape in shapes.items()}
    tensors |= {f"{side}/num_heads": np.array(2, dtype=np.int16) for side in ("encoder", "decoder")}
    kinds = {np.dtype(np.float16): 4, np.dtype(np.int16): 2}
    data = struct.pack("<I", 6) + write_string("WhisperSpec") + struct.pack("<II", 3, len(tensors))
    for name, tensor in tensors.items():
        data += write_string(name) + struct.pack(f"<B{tensor.ndim}I", tensor.ndim, *tensor.shape)
        data += struct.pack("<BI", kinds[tensor.dtype], tensor.nbytes) + tensor.tobytes()
    data += struct.pack("<I", 1) + write_string("decoder/projection/weight") + write_string("decoder/embeddings/weight")
    (folder / "model.bin").write_bytes(data)
    (folder / "vocabulary.json").write_text(json.dumps(["a", "Ġthe", "Ã©", "<|endoftext|>", "<|en|>", "<|fr|>"]))
    return tensors


def test_the_model_file_reads_back_with_its_aliases(tmp_path: Path) -> None:
    written = write_model(tmp_path)

    tensors = read_tensors(tmp_path / "model.bin")

    assert set(tensors) == {*written, "decoder/projection/weight"}
    np.testing.assert_array_equal(tensors["encoder/conv1/weight"], written["encoder/conv1/weight"])
    np.testing.assert_array_equal(tensors["decoder/projection/weight"], written["decoder/embeddings/weight"])


def test_a_model_file_cut_short_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path)
    whole = (tmp_path / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ValueError, match=r"model\.bin"):
        read_tensors(tmp_path / "model.bin")


def test_fused_projections_are_split_and_keys_have_no_bias(tmp_path: Path) -> None:
    written = write_model(tmp_path)

    named = dict(openai_tensors(read_tensors(tmp_path / "model.bin")))

    fused = written["decoder/layer_0/self_attention/linear_0/weight"]
    crossed = written["decoder/layer_0/attention/linear_1/weight"]
    np.testing.assert_array_equal(named["decoder.blocks.0.attn.value.weight"], fused[2 * STATE :])
    np.testing.assert_array_equal(named["decoder.blocks.0.cross_attn.key.weight"], crossed[:STATE])
    assert "decoder.blocks.0.attn.query.bias" in named
    assert not [name for name in named if name.endswith("key.bias")]


def test_the_file_starts_with_sizes_filters_and_the_spoken_tokens(tmp_path: Path) -> None:
    write_model(tmp_path)

    data = convert(tmp_path, tmp_path / "ggml.bin").read_bytes()

    sizes = struct.unpack_from("<12i", data)
    assert sizes == (0x67676D6C, VOCABULARY, 10, STATE, 2, 1, 7, STATE, 2, 1, MELS, 1)
    filters_end = 56 + MELS * 201 * 4
    assert struct.unpack_from("<2i", data, 48) == (MELS, 201)
    assert struct.unpack_from("<i", data, filters_end) == (3,)
    assert data[filters_end + 4 :].startswith(b"\1\0\0\0a" + b"\4\0\0\0 the" + b"\2\0\0\0" + "é".encode())
    assert not (tmp_path / "ggml.part").exists()


@pytest.mark.parametrize("n_mels", [80, 128])
def test_every_mel_filter_has_unit_area_in_its_own_band(n_mels: int) -> None:
    filters = mel_filters(n_mels)

    area = filters.sum(axis=1) * 40.0  # Hz a bin; narrow filters meet few bins, so the area is rough
    peaks = filters.argmax(axis=1)
    assert filters.shape == (n_mels, 201)
    assert (filters >= 0).all()
    assert np.median(area) == pytest.approx(1.0, abs=0.05)
    assert (np.diff(peaks) >= 0).all()
