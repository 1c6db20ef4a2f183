"""The diarizer's networks in plain numpy and float64, and random weights of their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.weights import Tensors

Doubles = NDArray[np.float64]
EPSILON = 1e-5
BLOCKS = ((128, 12, 1), (256, 24, 2), (512, 16, 2))  # channels that come in, layers, dilation


def random_tensors(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)

    def draw(name: str, shape: tuple[int, ...]) -> Any:
        if name.endswith("running_var"):
            return random.uniform(0.5, 2.0, shape)
        if len(shape) == 1:
            return random.normal(0.5 if name.endswith("weight") else 0.0, 0.2, shape)
        return random.normal(0.0, 1.5 * np.prod(shape[1:]) ** -0.5, shape)

    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}


# Segmentation -----------------------------------------------------------------------------------


def segmentation_tensors() -> dict[str, NDArray[np.float32]]:
    shapes: dict[str, tuple[int, ...]] = {"sincnet.wav_norm1d.weight": (1,), "sincnet.wav_norm1d.bias": (1,)}
    for index, (out, inside) in enumerate(((80, 0), (60, 80), (60, 60))):
        shapes |= {f"sincnet.norm1d.{index}.weight": (out,), f"sincnet.norm1d.{index}.bias": (out,)}
        if index:
            shapes |= {f"sincnet.conv1d.{index}.weight": (out, inside, 5), f"sincnet.conv1d.{index}.bias": (out,)}
    for layer in range(4):
        for suffix in (f"l{layer}", f"l{layer}_reverse"):
            shapes |= {f"lstm.weight_ih_{suffix}": (512, 256 if layer else 60), f"lstm.weight_hh_{suffix}": (512, 128)}
            shapes |= {f"lstm.bias_ih_{suffix}": (512,), f"lstm.bias_hh_{suffix}": (512,)}
    for name, shape in (("linear.0", (128, 256)), ("linear.1", (128, 128)), ("classifier", (7, 128))):
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    filterbank = "sincnet.conv1d.0.filterbank"
    low = np.linspace(20, 6000, 40, dtype=np.float32)[:, None]
    time = 2 * np.pi * np.arange(-125, 0, dtype=np.float32)[None] / 16_000
    window = np.hamming(251)[:125].astype(np.float32)
    named = {"low_hz_": low, "band_hz_": np.full_like(low, 80), "n_": time, "window_": window}
    return random_tensors(shapes) | {f"{filterbank}.{name}": values for name, values in named.items()}


def segment(tensors: Tensors, samples: NDArray[np.float32]) -> Doubles:
    """(160000,) → log-probabilities (589, 7)"""
    hidden = _instance_norm(tensors, samples[None].astype(np.float64), "sincnet.wav_norm1d")
    for index in range(3):
        name = f"sincnet.conv1d.{index}"
        if index == 0:
            hidden = np.abs(convolve(hidden, band_pass(tensors), stride=10))
        else:
            hidden = convolve(hidden, tensors[f"{name}.weight"]) + tensors[f"{name}.bias"][:, None]
        frames = hidden.shape[1] // 3
        pooled = hidden[:, : 3 * frames].reshape(len(hidden), frames, 3).max(axis=2)
        hidden = _leaky(_instance_norm(tensors, pooled, f"sincnet.norm1d.{index}"))
    states = hidden.T
    for layer in range(4):
        forwards = _lstm(tensors, states, f"l{layer}")
        backwards = _lstm(tensors, states[::-1], f"l{layer}_reverse")[::-1]
        states = np.concatenate([forwards, backwards], axis=1)
    for name in ("linear.0", "linear.1"):
        states = _leaky(states @ tensors[f"{name}.weight"].T.astype(np.float64) + tensors[f"{name}.bias"])
    scores: Doubles = states @ tensors["classifier.weight"].T.astype(np.float64) + tensors["classifier.bias"]
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs: Doubles = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def band_pass(tensors: Tensors) -> Doubles:
    """Differences of two sinc functions, windowed, and their Hilbert transforms: (80, 1, 251)."""
    name = "sincnet.conv1d.0.filterbank"
    low = 50 + np.abs(tensors[f"{name}.low_hz_"].astype(np.float64))
    high = np.clip(low + 50 + np.abs(tensors[f"{name}.band_hz_"]), 50, 8000)
    time = tensors[f"{name}.n_"].astype(np.float64)
    window = tensors[f"{name}.window_"].astype(np.float64)
    scale = window / (time * (high - low))
    even, odd = (np.sin(high * time) - np.sin(low * time)) * scale, (np.cos(low * time) - np.cos(high * time)) * scale
    middle = np.ones_like(low)
    evens = np.concatenate([even, middle, even[:, ::-1]], axis=1)
    odds = np.concatenate([odd, 0 * middle, -odd[:, ::-1]], axis=1)
    return np.concatenate([evens, odds])[:, None]


def _lstm(tensors: Tensors, source: Doubles, name: str) -> Doubles:
    """(frames, width) → (frames, 128)"""
    recurrence = tensors[f"lstm.weight_hh_{name}"].T.astype(np.float64)
    driven = source @ tensors[f"lstm.weight_ih_{name}"].T.astype(np.float64)
    driven = driven + tensors[f"lstm.bias_ih_{name}"] + tensors[f"lstm.bias_hh_{name}"]
    hidden, cell, states = np.zeros(128), np.zeros(128), []
    for step in driven:
        enter, forget, candidate, leave = np.split(step + hidden @ recurrence, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
        states.append(hidden)
    return np.array(states)


def _instance_norm(tensors: Tensors, values: Doubles, name: str) -> Doubles:
    normed = (values - values.mean(axis=1, keepdims=True)) / np.sqrt(values.var(axis=1, keepdims=True) + EPSILON)
    shifted: Doubles = normed * tensors[f"{name}.weight"][:, None] + tensors[f"{name}.bias"][:, None]
    return shifted


def _leaky(values: Doubles) -> Doubles:
    return np.where(values > 0, values, 0.01 * values)


# Speaker embedding ------------------------------------------------------------------------------


def embedding_tensors() -> dict[str, NDArray[np.float32]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"] = shape

    def norm(name: str, channels: int) -> None:
        shapes.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})

    for name, inside in (("conv1", 1), ("conv2", 32)):
        conv(f"head.{name}", 32, inside, 3, 3)
        norm(f"head.bn{name[-1]}", 32)
    for block in ("layer1.0", "layer1.1", "layer2.0", "layer2.1"):
        for index in (1, 2):
            conv(f"head.{block}.conv{index}", 32, 32, 3, 3)
            norm(f"head.{block}.bn{index}", 32)
        if block.endswith("0"):
            conv(f"head.{block}.shortcut.0", 32, 32, 1, 1)
            norm(f"head.{block}.shortcut.1", 32)
    conv("xvector.tdnn.linear", 128, 320, 5)
    norm("xvector.tdnn.nonlinear.batchnorm", 128)
    for number, (channels, layers, _) in enumerate(BLOCKS, start=1):
        for layer in range(layers):
            name, inside = f"xvector.block{number}.tdnnd{layer + 1}", channels + 32 * layer
            norm(f"{name}.nonlinear1.batchnorm", inside)
            conv(f"{name}.linear1", 128, inside, 1)
            norm(f"{name}.nonlinear2.batchnorm", 128)
            conv(f"{name}.cam_layer.linear_local", 32, 128, 3)
            for part, shape in (("linear1", (64, 128, 1)), ("linear2", (32, 64, 1))):
                conv(f"{name}.cam_layer.{part}", *shape)
                shapes[f"{name}.cam_layer.{part}.bias"] = shape[:1]
        norm(f"xvector.transit{number}.nonlinear.batchnorm", channels + 32 * layers)
        conv(f"xvector.transit{number}.linear", (channels + 32 * layers) // 2, channels + 32 * layers, 1)
    norm("xvector.out_nonlinear.batchnorm", 512)
    conv("xvector.dense.linear", 192, 1024, 1)
    norm("xvector.dense.nonlinear.batchnorm", 192)
    return random_tensors(shapes)


def embed(tensors: Tensors, mel: NDArray[np.float32]) -> Doubles:
    """Log-mel less its mean (frames, 80) → (frames / 2, 512)"""
    picture = _convolve_picture(mel.T[None].astype(np.float64), tensors["head.conv1.weight"])
    picture = _relu(_norm(tensors, picture, "head.bn1"))
    for name in ("head.layer1.0", "head.layer1.1", "head.layer2.0", "head.layer2.1"):
        stride = 2 if name.endswith("0") else 1
        once = _norm(tensors, _convolve_picture(picture, tensors[f"{name}.conv1.weight"], stride), f"{name}.bn1")
        twice = _norm(tensors, _convolve_picture(_relu(once), tensors[f"{name}.conv2.weight"]), f"{name}.bn2")
        if stride == 2:
            halved = _mix(tensors[f"{name}.shortcut.0.weight"][:, :, 0, 0], picture[:, ::2])
            picture = _norm(tensors, halved, f"{name}.shortcut.1")
        picture = _relu(twice + picture)
    picture = _relu(_norm(tensors, _convolve_picture(picture, tensors["head.conv2.weight"], 2), "head.bn2"))
    hidden = np.pad(picture.reshape(320, -1), ((0, 0), (2, 2)))
    hidden = convolve(hidden, tensors["xvector.tdnn.linear.weight"], stride=2)
    hidden = _relu(_norm(tensors, hidden, "xvector.tdnn.nonlinear.batchnorm"))
    for number, (_, layers, dilation) in enumerate(BLOCKS, start=1):
        for layer in range(1, layers + 1):
            added = _dense_layer(tensors, hidden, f"xvector.block{number}.tdnnd{layer}", dilation)
            hidden = np.concatenate([hidden, added])
        name = f"xvector.transit{number}"
        normed = _relu(_norm(tensors, hidden, f"{name}.nonlinear.batchnorm"))
        hidden = convolve(normed, tensors[f"{name}.linear.weight"])
    return _relu(_norm(tensors, hidden, "xvector.out_nonlinear.batchnorm")).T


def _dense_layer(tensors: Tensors, hidden: Doubles, name: str, dilation: int) -> Doubles:
    narrow = convolve(_relu(_norm(tensors, hidden, f"{name}.nonlinear1.batchnorm")), tensors[f"{name}.linear1.weight"])
    narrow = _relu(_norm(tensors, narrow, f"{name}.nonlinear2.batchnorm"))
    padded = np.pad(narrow, ((0, 0), (dilation, dilation)))
    local = convolve(padded, tensors[f"{name}.cam_layer.linear_local.weight"], dilation=dilation)
    segments = narrow.reshape(128, -1, 100)
    context = segments.mean(axis=2) + narrow.mean(axis=1, keepdims=True)
    for part, activation in (("linear1", _relu), ("linear2", sigmoid)):
        weight, bias = tensors[f"{name}.cam_layer.{part}.weight"], tensors[f"{name}.cam_layer.{part}.bias"]
        context = activation(convolve(context, weight) + bias[:, None])
    return local * np.repeat(context, 100, axis=1)


def _norm(tensors: Tensors, values: Doubles, name: str) -> Doubles:
    scale, shift, mean, variance = (
        tensors[f"{name}.{part}"].astype(np.float64).reshape(-1, *[1] * (values.ndim - 1))
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    normed: Doubles = (values - mean) / np.sqrt(variance + EPSILON) * scale + shift
    return normed


def _convolve_picture(picture: Doubles, kernel: NDArray[np.float32], stride: int = 1) -> Doubles:
    """(in, mels, frames) by (out, in, 3, 3), padded by one; the stride is that of the mels."""
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
    rows, frames = picture.shape[1], picture.shape[2]
    taps = [
        _mix(kernel[:, :, y, x], padded[:, y : y + rows : stride, x : x + frames]) for y in range(3) for x in range(3)
    ]
    return np.sum(taps, axis=0)


def _mix(weight: NDArray[np.float32], picture: Doubles) -> Doubles:
    """Channels by channels: (out, in), (in, mels, frames) → (out, mels, frames)"""
    mixed: Doubles = weight.astype(np.float64) @ picture.reshape(len(picture), -1)
    return mixed.reshape(-1, *picture.shape[1:])


def convolve(values: Doubles, kernel: NDArray[Any], stride: int = 1, dilation: int = 1) -> Doubles:
    """(in, n) by (out, in, width) → (out, after)"""
    span = dilation * (kernel.shape[2] - 1) + 1
    taps = np.lib.stride_tricks.sliding_window_view(values, span, axis=1)[:, ::stride, ::dilation]
    columns = taps.transpose(0, 2, 1).reshape(-1, taps.shape[1])  # (in · width, after)
    product: Doubles = kernel.reshape(len(kernel), -1).astype(np.float64) @ columns
    return product


def _relu(values: Doubles) -> Doubles:
    return np.maximum(values, 0)


def sigmoid(values: Doubles) -> Doubles:
    return 1 / (1 + np.exp(-values))
