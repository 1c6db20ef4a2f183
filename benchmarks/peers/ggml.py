"""Writes whisper.cpp's ggml file from CTranslate2's tensors, so that both peers run the very same weights."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.ctranslate2 import Tensor, read_tensors

MAGIC = 0x67676D6C  # "ggml"
FLOAT32, FLOAT16 = 0, 1
NORMS = {"beta": "bias", "gamma": "weight"}
BLOCKS = {"encoder": ("self_attention",), "decoder": ("self_attention", "attention")}


def convert(folder: Path, target: Path) -> Path:
    """CTranslate2 folder (model.bin, vocabulary.json) → ggml file, matrices as float16, vectors as float32.

    source: whisper.cpp models/README.md, ggml format; OpenAI's names of the tensors
    """
    tensors = read_tensors(folder / "model.bin")
    unfinished = target.with_suffix(".part")
    with unfinished.open("wb") as out:
        _write_header(out, tensors)
        _write_mel_filters(out, tensors["encoder/conv1/weight"].shape[1])
        _write_vocabulary(out, json.loads((folder / "vocabulary.json").read_text()))
        for name, tensor in openai_tensors(tensors):
            _write_tensor(out, name, tensor)
    return unfinished.rename(target)


def openai_tensors(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """CTranslate2's names → OpenAI's, its fused projections split."""
    for side, blocks in BLOCKS.items():
        yield f"{side}.positional_embedding", tensors[f"{side}/position_encodings/encodings"]
        for layer in range(_layers(tensors, side)):
            source, name = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            for block in blocks:
                renamed = f"{name}.{'cross_attn' if block == 'attention' else 'attn'}"
                yield from _attention(tensors, f"{source}/{block}", renamed)
            for part, mlp in (("linear_0", "mlp.0"), ("linear_1", "mlp.2")):
                for kind in ("weight", "bias"):
                    yield f"{name}.{mlp}.{kind}", tensors[f"{source}/ffn/{part}/{kind}"]
            yield from _norm(tensors, f"{source}/ffn/layer_norm", f"{name}.mlp_ln")
    yield from _norm(tensors, "encoder/layer_norm", "encoder.ln_post")
    yield from _norm(tensors, "decoder/layer_norm", "decoder.ln")
    yield "decoder.token_embedding.weight", tensors["decoder/embeddings/weight"]
    for conv in ("conv1", "conv2"):
        yield f"encoder.{conv}.weight", tensors[f"encoder/{conv}/weight"]
        yield f"encoder.{conv}.bias", tensors[f"encoder/{conv}/bias"].reshape(-1, 1)


def _attention(tensors: dict[str, Tensor], source: str, name: str) -> Iterator[tuple[str, Tensor]]:
    """Self-attention fuses query, key, value; cross-attention key, value. Whisper's keys have no bias."""
    fused = name.endswith("cross_attn")
    parts = (("query",), ("key", "value"), ("out",)) if fused else (("query", "key", "value"), ("out",))
    for index, names in enumerate(parts):
        for kind in ("weight", "bias"):
            pieces = np.split(tensors[f"{source}/linear_{index}/{kind}"], len(names))
            for part, piece in zip(names, pieces, strict=True):
                if (part, kind) != ("key", "bias"):
                    yield f"{name}.{part}.{kind}", piece
    yield from _norm(tensors, f"{source}/layer_norm", f"{name}_ln")


def _norm(tensors: dict[str, Tensor], source: str, name: str) -> Iterator[tuple[str, Tensor]]:
    for kind, renamed in NORMS.items():
        yield f"{name}.{renamed}", tensors[f"{source}/{kind}"]


def _layers(tensors: dict[str, Tensor], side: str) -> int:
    return sum(name.startswith(f"{side}/layer_") and name.endswith("/ffn/linear_0/bias") for name in tensors)


def _write_header(out: BinaryIO, tensors: dict[str, Tensor]) -> None:
    vocabulary, text_state = tensors["decoder/embeddings/weight"].shape
    frames, audio_state = tensors["encoder/position_encodings/encodings"].shape
    positions = tensors["decoder/position_encodings/encodings"].shape[0]
    mels = tensors["encoder/conv1/weight"].shape[1]
    audio = (audio_state, int(tensors["encoder/num_heads"]), _layers(tensors, "encoder"))
    text = (text_state, int(tensors["decoder/num_heads"]), _layers(tensors, "decoder"))
    numbers = (MAGIC, vocabulary, frames, *audio, positions, *text, mels, FLOAT16)
    out.write(struct.pack(f"<{len(numbers)}i", *numbers))


def _write_mel_filters(out: BinaryIO, n_mels: int) -> None:
    filters = mel_filters(n_mels)
    out.write(struct.pack("<2i", *filters.shape))
    out.write(filters.tobytes())


def mel_filters(n_mels: int, rate: int = 16_000, n_fft: int = 400) -> NDArray[np.float32]:
    """Slaney's triangular mel filters of unit area: float32 (n_mels, n_fft // 2 + 1).

    source: Slaney 1998, Auditory Toolbox: linear to 1 kHz (66.67 Hz a mel), logarithmic above
    """
    linear, step = 1000.0, np.log(6.4) / 27.0
    top = linear / (200 / 3) + np.log(rate / 2 / linear) / step
    mels = np.linspace(0.0, top, n_mels + 2)
    hertz = np.where(mels < 15.0, mels * 200 / 3, linear * np.exp(step * (mels - 15.0)))
    bins = np.linspace(0.0, rate / 2, n_fft // 2 + 1)
    rising = (bins[None] - hertz[:-2, None]) / np.diff(hertz)[:-1, None]
    falling = (hertz[2:, None] - bins[None]) / np.diff(hertz)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters: NDArray[np.float32] = (triangles * (2.0 / (hertz[2:] - hertz[:-2]))[:, None]).astype(np.float32)
    return filters


def _write_vocabulary(out: BinaryIO, tokens: list[str]) -> None:
    """The byte-level tokens before <|endoftext|>; whisper.cpp numbers the special ones itself."""
    letters = {letter: byte for byte, letter in _byte_letters().items()}
    spoken = tokens[: tokens.index("<|endoftext|>")]
    out.write(struct.pack("<i", len(spoken)))
    for token in spoken:
        data = bytes(letters[letter] for letter in token)
        out.write(struct.pack("<i", len(data)) + data)


def _byte_letters() -> dict[int, str]:
    """GPT-2's printable letter of each byte: itself if it is printable Latin-1, else the next from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(0x100 + index) for index, byte in enumerate(others)}


def _write_tensor(out: BinaryIO, name: str, tensor: Tensor) -> None:
    vector = tensor.ndim < 2 or name.endswith((".positional_embedding", "conv1.bias", "conv2.bias"))
    values = tensor.astype(np.float32 if vector else np.float16)
    encoded = name.encode()
    out.write(struct.pack("<3i", values.ndim, len(encoded), FLOAT32 if vector else FLOAT16))
    out.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)))
    out.write(encoded + values.tobytes())
