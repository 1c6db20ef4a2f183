"""The diarizer's weights as the CPU's kernels read them: 8-bit panels of 32 columns, float panels of 16."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.segmentation import HIDDEN, LAYERS, sinc_filters
from export.speaker_embedding import (
    BINS,
    BLOCKS,
    FIRST,
    FULL_SCALE,
    folded_conv,
    folded_norm,
    mel_filters,
    spectrum_matrix,
)
from export.weights import Tensors
from speech.diarization.cpu.panel_layout import FLOAT_PANEL, LARGEST_WEIGHT, PANEL, QUAD
from speech.diarization.cpu.segmentation_kernels import GATES, UNIT_STEP, UNIT_ZERO

Array = NDArray[Any]
Floats = NDArray[np.float32]
RESIDUAL = ("head.layer1.0", "head.layer1.1", "head.layer2.0", "head.layer2.1")


def segmentation_panels(tensors: Tensors) -> dict[str, Array]:
    """Every array that speech.diarization.cpu.segmentation reads."""
    filters = sinc_filters(tensors)[:, 0]
    norms = [("sincnet.wav_norm1d", "samples_norm"), *((f"sincnet.norm1d.{i}", f"norm{i}") for i in range(3))]
    arrays = {"sinc": float_panels(filters), "sinc_sums": filters.sum(axis=1, dtype=np.float32)}
    arrays |= {name: np.stack([tensors[f"{norm}.weight"], tensors[f"{norm}.bias"]]) for norm, name in norms}
    for index in (1, 2):
        kernel = tensors[f"sincnet.conv1d.{index}.weight"].transpose(0, 2, 1)  # (out, taps, in)
        arrays[f"conv{index}"] = float_panels(kernel.reshape(len(kernel), -1))
        arrays[f"conv{index}_bias"] = tensors[f"sincnet.conv1d.{index}.bias"]
    for layer in range(LAYERS):
        for direction, suffix in enumerate(("", "_reverse")):
            arrays |= _lstm(tensors, f"l{layer}{suffix}", f"lstm{layer}{direction}")
    for index in (0, 1):
        arrays |= _named(f"linear{index}", tensors[f"linear.{index}.weight"], tensors[f"linear.{index}.bias"])
    classifier = tensors["classifier.weight"]
    arrays["classifier"] = float_panels(classifier)
    arrays["classifier_bias"] = tensors["classifier.bias"]
    return arrays


def _lstm(tensors: Tensors, source: str, name: str) -> dict[str, Array]:
    """A direction of a layer. Blocks of 32 units, of each its four gates."""
    order = np.arange(GATES * HIDDEN).reshape(GATES, HIDDEN // PANEL, PANEL).transpose(1, 0, 2).ravel()
    driving = tensors[f"lstm.weight_ih_{source}"][order]
    driving = np.pad(driving, ((0, 0), (0, -driving.shape[1] % 64)))
    driving_panels, driving_scale, driving_sums = int8_panels(driving)
    recurrence_panels, scale, sums = int8_panels(tensors[f"lstm.weight_hh_{source}"][order])
    bias = (tensors[f"lstm.bias_ih_{source}"] + tensors[f"lstm.bias_hh_{source}"])[order]
    return {
        name: driving_panels,
        f"{name}_recurrence": recurrence_panels,
        f"{name}_scale": np.stack([driving_scale, driving_sums, scale * UNIT_STEP]),
        f"{name}_bias": (bias - sums * UNIT_STEP * np.float32(UNIT_ZERO)).astype(np.float32),
    }


def embedding_panels(tensors: Tensors) -> dict[str, Array]:
    """Every array that speech.diarization.cpu.embedding reads, the filterbank's among them."""
    spectrum = spectrum_matrix() * FULL_SCALE
    halves = [float_panels(half.astype(np.float32)) for half in (spectrum[:BINS], spectrum[BINS:])]
    arrays: dict[str, Array] = {"spectrum": np.concatenate(halves)}
    arrays["mel"] = float_panels(mel_filters().astype(np.float32))
    weight, bias = folded_conv(tensors, ("head.conv1", "head.bn1"))
    arrays["picture"] = float_panels(np.column_stack([weight.reshape(len(weight), -1), bias]))
    for block in RESIDUAL:
        for part in (1, 2):
            arrays |= _picture(tensors, (f"{block}.conv{part}", f"{block}.bn{part}"))
        if f"{block}.shortcut.0.weight" in tensors:
            arrays |= _picture(tensors, (f"{block}.shortcut.0", f"{block}.shortcut.1"))
    arrays |= _picture(tensors, ("head.conv2", "head.bn2"))
    weight, bias = folded_conv(tensors, FIRST)
    mels_first = weight.reshape(len(weight), PANEL, -1, weight.shape[2]).transpose(0, 3, 2, 1)  # (out, taps, mels, in)
    arrays |= _named("halving", mels_first.reshape(len(weight), -1), bias)
    for number, (layers, _) in enumerate(BLOCKS, start=1):
        for layer in range(1, layers + 1):
            arrays |= _dense_layer(tensors, f"xvector.block{number}.tdnnd{layer}", f"dense{number}.{layer}")
        source, transit = f"xvector.transit{number}", f"transit{number}"
        arrays |= _named(transit, tensors[f"{source}.linear.weight"][:, :, 0])
        arrays[f"{transit}_norm"] = folded_norm(tensors, f"{source}.nonlinear.batchnorm")
    return arrays | {"last_norm": folded_norm(tensors, "xvector.out_nonlinear.batchnorm")}


def _picture(tensors: Tensors, names: tuple[str, str]) -> dict[str, Array]:
    """A convolution of pictures: taps of mels, of time, then channels."""
    weight, bias = folded_conv(tensors, names)
    return _named(names[0], weight.transpose(0, 2, 3, 1).reshape(len(weight), -1), bias)


def _dense_layer(tensors: Tensors, source: str, name: str) -> dict[str, Array]:
    arrays = {f"{name}_norm": folded_norm(tensors, f"{source}.nonlinear1.batchnorm")}
    weight, bias = folded_conv(tensors, (f"{source}.linear1", f"{source}.nonlinear2.batchnorm"))
    arrays |= _named(name, weight[:, :, 0], bias)
    cam = f"{source}.cam_layer"
    local = tensors[f"{cam}.linear_local.weight"].transpose(0, 2, 1)
    arrays |= _named(f"{name}_local", local.reshape(len(local), -1))
    for part in (1, 2):
        weight, bias = tensors[f"{cam}.linear{part}.weight"][:, :, 0], tensors[f"{cam}.linear{part}.bias"]
        arrays[f"{name}_context{part}"] = np.concatenate([weight.T, bias[None]])
    return arrays


def _named(name: str, weight: Floats, bias: Floats | None = None) -> dict[str, Array]:
    panels, scale, sums = int8_panels(weight)
    padded = np.zeros(len(scale), np.float32)
    if bias is not None:
        padded[: len(bias)] = bias
    return {name: panels, f"{name}_scale": np.stack([scale, sums]), f"{name}_bias": padded}


def int8_panels(weight: Floats) -> tuple[Array, Floats, Floats]:
    """(out, in) → int8 (⌈out / 32⌉, in / 4, 32, 4); each column's scale, and the sum of its weights by that scale."""
    columns, depth = weight.shape
    padded = np.zeros((-(-columns // PANEL) * PANEL, depth), np.float32)
    padded[:columns] = weight
    scale = np.maximum(np.abs(padded).max(axis=1), 1e-8).astype(np.float32) / np.float32(LARGEST_WEIGHT)
    whole = np.rint(padded / scale[:, None]).astype(np.int8)
    panels = whole.reshape(-1, PANEL, depth // QUAD, QUAD).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(panels), scale, (whole.sum(axis=1, dtype=np.int64) * scale).astype(np.float32)


def float_panels(weight: Floats) -> Floats:
    """(out, in) → float32 (⌈out / 16⌉, in, 16)"""
    columns, depth = weight.shape
    padded = np.zeros((-(-columns // FLOAT_PANEL) * FLOAT_PANEL, depth), np.float32)
    padded[:columns] = weight
    return np.ascontiguousarray(padded.reshape(-1, FLOAT_PANEL, depth).transpose(0, 2, 1))
