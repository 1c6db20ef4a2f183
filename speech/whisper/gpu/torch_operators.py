"""ONNX's operators, of which the graphs for GPUs are made, in plain torch.

Each takes the device, its inputs (None where one is left out) and its attributes. Shapes and axes are numpy arrays on
the host, everything else tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from torch.nn import functional

Value = Any  # a tensor, or on the host an array
Operator = Callable[[str, list[Value], dict[str, Any]], Value]


def _tensor(value: Value, device: str) -> Value:
    return torch.from_numpy(np.array(value)).to(device) if isinstance(value, np.ndarray | np.generic) else value


def _of_tensors(function: Callable[..., Value]) -> Operator:
    """An operator that looks at nothing but its inputs."""

    def run(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
        return function(*(_tensor(value, device) for value in inputs))

    return run


def _axes(inputs: list[Value], attributes: dict[str, Any]) -> tuple[int, ...]:
    """Of a reduction, a squeeze: the second input, or an attribute."""
    given = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("axes", ())
    return tuple(int(axis) for axis in np.asarray(given).reshape(-1))


def _attention(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    """With a mask (true: attended to), or lengths of the keys, or neither."""
    query, key, value = inputs[:3]
    mask, lengths = (inputs[place] if place < len(inputs) else None for place in (3, 6))
    if lengths is not None:
        places = torch.arange(key.shape[2], device=device)
        mask = (places[None] < lengths[:, None])[:, None, None]
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=attributes["scale"])


def _tensor_scatter(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    """In place: the caches are too large to be copied."""
    cache, update, position = inputs
    places = position[:, None] + torch.arange(update.shape[2], device=update.device)
    return cache.scatter_(2, places[:, None, :, None].expand_as(update), update)


def _squeeze(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    axes = _axes(inputs, attributes)
    if isinstance(inputs[0], np.ndarray):
        return np.squeeze(inputs[0], axes or None)
    return torch.squeeze(inputs[0], axes) if axes else torch.squeeze(inputs[0])


def _unsqueeze(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    value = _tensor(inputs[0], device)
    for axis in sorted(_axes(inputs, attributes)):
        value = value.unsqueeze(axis)
    return value


def _reshape(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    value, shape = inputs
    return value.reshape([value.shape[place] if size == 0 else int(size) for place, size in enumerate(shape)])


def _slice(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    value, starts, ends, axes = inputs[:4]
    for start, end, axis in zip(*(np.asarray(each).reshape(-1) for each in (starts, ends, axes)), strict=True):
        first, last, _ = slice(int(start), int(end)).indices(value.shape[axis])
        value = value.narrow(int(axis), first, last - first)
    return value


def _shape(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    return np.array(inputs[0].shape[attributes.get("start", 0) : attributes.get("end")], np.int64)


def _gather(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    source, index = (_tensor(each, device) for each in inputs)
    axis = attributes.get("axis", 0)
    picked = source.index_select(axis, index.reshape(-1))
    return picked.reshape(*source.shape[:axis], *index.shape, *source.shape[axis + 1 :])


def _gather_nd(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    """A row of each batch: (b, n, …), (b, 1) → (b, …)."""
    source, index = inputs
    return source[torch.arange(len(source), device=source.device), index[:, 0]]


def _scatter_elements(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    source, index, update = inputs
    return source.scatter(attributes["axis"], index, update)


def _reduce(function: Callable[..., Value]) -> Operator:
    def run(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
        return function(inputs[0], dim=_axes(inputs, attributes), keepdim=bool(attributes.get("keepdims", 1)))

    return run


def _cast(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    kind = onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])
    return _tensor(inputs[0], device).to(torch.from_numpy(np.zeros(0, kind)).dtype)


def _pad(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    """Of the last axis."""
    before, after = np.asarray(inputs[1]).reshape(2, -1)[:, -1]
    return functional.pad(inputs[0], (int(before), int(after)), mode=attributes["mode"].decode())


def _conv(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    return functional.conv1d(*inputs, stride=attributes["strides"][0], padding=attributes["pads"][0])


def _layer_norm(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    value, weight, bias = inputs
    return functional.layer_norm(value, weight.shape, weight, bias, attributes["epsilon"])


def _range(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    start, stop, step = (int(np.asarray(each)) for each in inputs)
    return torch.arange(start, stop, step, device=device)


def _split(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    return tuple(torch.chunk(inputs[0], attributes["num_outputs"], attributes["axis"]))


def _arg_max(device: str, inputs: list[Value], attributes: dict[str, Any]) -> Value:
    return torch.argmax(inputs[0], attributes["axis"], bool(attributes["keepdims"]))


OPERATORS: dict[str, Operator] = {
    "Abs": _of_tensors(torch.abs),
    "Add": _of_tensors(torch.add),
    "ArgMax": _arg_max,
    "Attention": _attention,
    "Cast": _cast,
    "Concat": lambda device, inputs, attributes: torch.cat(inputs, attributes["axis"]),
    "Conv": _conv,
    "Div": _of_tensors(torch.div),
    "Equal": _of_tensors(torch.eq),
    "Exp": _of_tensors(torch.exp),
    "Flatten": lambda device, inputs, attributes: inputs[0].flatten(attributes["axis"]),
    "Gather": _gather,
    "GatherElements": lambda device, inputs, attributes: torch.gather(inputs[0], attributes["axis"], inputs[1]),
    "GatherND": _gather_nd,
    "Gelu": _of_tensors(functional.gelu),
    "Greater": _of_tensors(torch.gt),
    "GreaterOrEqual": _of_tensors(torch.ge),
    "Identity": _of_tensors(lambda value: value),
    "LayerNormalization": _layer_norm,
    "LessOrEqual": _of_tensors(torch.le),
    "Log": _of_tensors(torch.log),
    "MatMul": _of_tensors(torch.matmul),
    "Max": _of_tensors(torch.maximum),
    "Min": _of_tensors(torch.minimum),
    "Mul": _of_tensors(torch.mul),
    "Or": _of_tensors(torch.logical_or),
    "Pad": _pad,
    "Range": _range,
    "ReduceMax": _reduce(torch.amax),
    "ReduceSum": _reduce(torch.sum),
    "Reshape": _reshape,
    "ScatterElements": _scatter_elements,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": lambda device, inputs, attributes: torch.softmax(inputs[0], attributes["axis"]),
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _of_tensors(torch.sub),
    "TensorScatter": _tensor_scatter,
    "Transpose": lambda device, inputs, attributes: inputs[0].permute(attributes["perm"]),
    "Unsqueeze": _unsqueeze,
    "Where": _of_tensors(torch.where),
}
