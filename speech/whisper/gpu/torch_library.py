"""The graphs in plain torch: the third library, for a card or a processor that has torch and nothing else.

It is no fast one. What it is for: the runner with its steps in flight, and CUDA graphs, run wherever torch does, and a
fault of a faster library shows against it.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import torch

from speech.whisper.engine import EngineError
from speech.whisper.gpu.artifacts import (
    CONTEXTS,
    DECODER_GRAPH,
    DRAFT_ROWS,
    ENCODE_BATCH,
    ENCODER_GRAPH,
    MOST_SLOTS,
    PREFILL_ROWS,
    STEP_GRAPH,
)
from speech.whisper.gpu.device_memory import DeviceMemory, MemoryFull
from speech.whisper.gpu.library import DirectLaunch, GraphPass, Launch
from speech.whisper.gpu.torch_operators import OPERATORS, Value

log = logging.getLogger(__name__)


class TorchNetwork:
    """One graph: its nodes, its constants on the device."""

    def __init__(self, path: Path, device: str) -> None:
        """raises: EngineError for an operator that is unknown here"""
        graph = onnx.load(str(path)).graph
        unknown = {node.op_type for node in graph.node} - OPERATORS.keys()
        if unknown:
            raise EngineError(f"torch has no operator here for {', '.join(sorted(unknown))} of {path}")
        self.device = device
        self.nodes = [
            (OPERATORS[node.op_type], list(node.input), list(node.output), _attributes(node)) for node in graph.node
        ]
        self.kinds = {
            put.name: onnx.helper.tensor_dtype_to_np_dtype(put.type.tensor_type.elem_type)
            for put in (*graph.input, *graph.output)
        }
        self.shapes = {put.name: [each.dim_value for each in put.type.tensor_type.shape.dim] for put in graph.output}
        self._constants: dict[str, Value] = {}
        for constant in graph.initializer:
            value = onnx.numpy_helper.to_array(constant)
            on_host = value.dtype == np.int64 and value.size <= 8  # shapes and axes
            self._constants[constant.name] = value if on_host else torch.from_numpy(value.copy()).to(device)

    def run(self, inputs: dict[str, Value], outputs: dict[str, Any]) -> None:
        """Outputs are written where they are; a cache that is written in place is there already."""
        values = self._constants | inputs
        for operator, names, results, attributes in self.nodes:
            told = operator(self.device, [values[name] if name else None for name in names], attributes)
            values.update(zip(results, told if isinstance(told, tuple) else (told,), strict=True))
        for name, place in outputs.items():
            if values[name].data_ptr() != place.data_ptr():
                place.copy_(values[name].reshape(place.shape))


class TorchPass:
    """GraphPass of a network. stream: of the memory that it is bound to"""

    def __init__(self, network: TorchNetwork, stream: Any) -> None:
        self._network = network
        self._stream = stream
        self._inputs: dict[str, Value] = {}
        self._outputs: dict[str, Any] = {}

    def bind_input(self, name: str, shape: tuple[int, ...], address: int) -> None:
        self._inputs[name] = tensor_at(address, shape, self._network.kinds[name], self._network.device)

    def bind_output(self, name: str, shape: tuple[int, ...], address: int) -> None:
        self._outputs[name] = tensor_at(address, shape, self._network.kinds[name], self._network.device)

    def enqueue(self) -> None:
        try:
            with torch.inference_mode(), _on(self._stream):
                self._network.run(self._inputs, self._outputs)
        except torch.OutOfMemoryError as error:
            raise MemoryFull(f"torch: {error}") from error
        except RuntimeError as error:
            raise EngineError(f"torch failed: {error}") from error


class TorchLibrary:
    """GraphLibrary over the networks of a folder."""

    contexts: tuple[int, ...] = CONTEXTS
    encode_batch = ENCODE_BATCH
    step_rows = MOST_SLOTS
    prefill_rows = PREFILL_ROWS
    draft_rows = DRAFT_ROWS
    thread_bound = False

    def __init__(self, folder: Path, memory: DeviceMemory, streams: tuple[int, int] = (0, 0)) -> None:
        """streams: addresses of the CUDA streams that the decoder and the encoder run on"""
        device = memory.device
        self._memory = memory
        self._stream, self._encoding = (torch.cuda.ExternalStream(each) if each else None for each in streams)
        names = (ENCODER_GRAPH, DECODER_GRAPH, STEP_GRAPH)
        self._encoder, self._decoder, self._step = (TorchNetwork(folder / name, device) for name in names)
        self.languages = self._decoder.shapes["language"][1]
        self.captured = device == "cuda"

    def open_encoder(self, windows: int, context: int) -> TorchPass:
        return TorchPass(self._encoder, self._encoding)

    def open_prefill(self) -> TorchPass:
        return TorchPass(self._decoder, self._stream)

    open_draft = open_prefill

    def open_step(self, rows: int) -> TorchPass:
        return TorchPass(self._step, self._stream)

    def capture(self, step: GraphPass, after: Callable[[], None]) -> Launch:
        """It runs before: torch prepares what it does for the first time then, which cannot be captured."""
        step.enqueue()
        self._memory.wait()
        direct = DirectLaunch(step.enqueue, after)
        if not self.captured:
            return direct
        try:
            return CapturedTorchStep(self._stream, direct.launch)
        except (EngineError, RuntimeError) as error:
            log.warning("torch's step cannot be captured as a CUDA graph: %s", error)
            self.captured = False
            return direct

    def close(self) -> None:
        del self._encoder, self._decoder, self._step


class CapturedTorchStep:
    """A CUDA graph whose memory torch keeps apart for it."""

    def __init__(self, stream: Any, record: Callable[[], None]) -> None:
        self._stream = stream
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            record()

    def launch(self) -> None:
        with _on(self._stream):
            self._graph.replay()

    def close(self) -> None:
        self._graph.reset()


def tensor_at(address: int, shape: tuple[int, ...], kind: np.dtype[Any], device: str) -> Any:
    """A tensor over memory that is somebody else's."""
    if device == "cpu":
        size = int(np.prod(shape)) * kind.itemsize
        raw = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        return torch.from_numpy(raw.view(kind).reshape(shape))
    described = {"shape": shape, "typestr": kind.str, "data": (address, False), "version": 3}
    return torch.as_tensor(SimpleNamespace(__cuda_array_interface__=described), device=device)


@contextmanager
def _on(stream: Any) -> Iterator[None]:
    with torch.cuda.stream(stream) if stream else nullcontext():
        yield


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
