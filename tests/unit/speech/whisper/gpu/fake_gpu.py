"""CUDA and TensorRT in the process's own memory, as lazy as a GPU may be: nothing happens before somebody waits.

What is forbidden on a GPU fails here: waiting or allocating while a graph is captured, addresses out of bounds or
not aligned, a pass whose shapes were never run outside a capture, outputs without an address. Fresh memory is full
of what is no number. The plans are those of the toy decoder.
"""

from __future__ import annotations

import ctypes
import enum
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from speech.whisper.engine import AFTER_ANY
from speech.whisper.gpu.bias_buffer import BIAS_INPUTS, ENTRIES
from speech.whisper.gpu.runner import CHOSEN
from tests.unit.speech.whisper.gpu.toy_decoder import HEARD, LANGUAGES, SHORT, TEXT, languages, next_token

RTX_VERSION, KERNELS = "1.7.1.116", b"kernels of this card"
VERSION, CAPABILITY, MULTIPROCESSORS = "11.4.0.106", (8, 0), 108
ENCODE_BATCH, SLOTS, PREFILL_ROWS, DRAFT_ROWS = 4, 8, 3, 5  # the plans' largest passes

BROKEN = -32768  # a sample that makes the encoder overflow

Work = Callable[[], object]
Say = Callable[[float, list[float], bool, float, float], int]


class Error(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100
    cudaErrorNotReady = 600
    cudaErrorIllegalAddress = 700
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901


class Refused(Exception):
    def __init__(self, error: Error) -> None:
        self.error = error


class Stream:
    def __init__(self) -> None:
        self.queue: list[Work] = []
        self.running = threading.RLock()
        self.captured: list[Work] | None = None
        self.broken = False  # what is captured is no graph any more

    def __int__(self) -> int:
        return id(self)

    def add(self, work: Work) -> None:
        (self.queue if self.captured is None else self.captured).append(work)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        with self.running:  # the threads that make words wait for copies
            while self.queue and not until():
                self.queue.pop(0)()


class Event:
    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.asked = self.reached = 0

    def reach(self, count: int) -> None:
        self.reached = count


class FakeGpu:
    def __init__(self, say: Say = next_token, free: int = 2**30) -> None:
        self.free = free
        self.say = say
        self.blocks: dict[int, tuple[int, Any]] = {}  # address: size, what holds it
        self.streams: list[Stream] = []
        self.open = 0  # graphs and events that were not destroyed
        self.waits = 0  # for the whole stream
        self.room = 2**40  # bytes that can be allocated
        self.most = 0  # bytes that were allocated at once
        self.calls: Counter[str] = Counter()
        self.sent = self.fetched = 0  # bytes from the host, to the host
        self.capturable = True  # whether TensorRT's passes can be captured
        self.failing = ""  # the call that fails
        self.error = Error.cudaErrorIllegalAddress  # and how
        self.scratch_of: dict[int, int] = {}  # stream of the passes that have their activations at an address
        self.complaint = ""  # of TensorRT's, where it refuses a pass
        self.rtx_configurations: list[RuntimeConfiguration] = []  # of contexts that TensorRT for RTX opened
        self.passes: list[tuple[str, int]] = []  # plan and rows of each that ran
        self.encoded: list[tuple[int, int]] = []  # windows and frames of each pass of the encoder

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
        bindings, cuda = ModuleType("cuda.bindings"), ModuleType("cuda")
        bindings.runtime = self.runtime()  # type: ignore[attr-defined]
        modules = {"cuda": cuda, "cuda.bindings": bindings, "tensorrt": self.tensorrt()}
        for name, module in {**modules, "tensorrt_rtx_bindings": FakeRtx(self).module()}.items():
            monkeypatch.setitem(sys.modules, name, module)
        for name in ("cuda", "tensorrt_library", "rtx_runtime"):
            monkeypatch.delitem(sys.modules, f"speech.whisper.gpu.{name}", raising=False)
            monkeypatch.delattr(f"speech.whisper.gpu.{name}", raising=False)
        return self

    # CUDA

    def runtime(self) -> SimpleNamespace:
        calls = {name: self._checked(name) for name in dir(self) if name.startswith("cuda")}
        kinds = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2, cudaMemcpyDeviceToDevice=3)
        return SimpleNamespace(
            cudaError_t=Error,
            cudaMemcpyKind=kinds,
            cudaMemcpy3DParms=SimpleNamespace,
            make_cudaPitchedPtr=lambda address, pitch, width, rows: (address, pitch, rows),
            make_cudaExtent=lambda width, height, depth: (width, height, depth),
            cudaStreamNonBlocking=1,
            cudaEventDisableTiming=2,
            cudaEventBlockingSync=1,
            cudaStreamCaptureMode=SimpleNamespace(cudaStreamCaptureModeThreadLocal=1),
            cudaDeviceAttr=SimpleNamespace(
                cudaDevAttrComputeCapabilityMajor=0,
                cudaDevAttrComputeCapabilityMinor=1,
                cudaDevAttrMultiProcessorCount=2,
            ),
            **calls,
        )

    def _checked(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls[name] += 1
            if name == self.failing:
                return (self.error, None)
            taken = sum(size for size, _ in self.blocks.values())
            if name.startswith("cudaMalloc") and taken + arguments[0] > self.room:
                return (Error.cudaErrorMemoryAllocation, None)
            unsafe = name in ("cudaMalloc", "cudaMallocHost", "cudaStreamSynchronize", "cudaEventSynchronize")
            if unsafe and any(stream.captured is not None for stream in self.streams):
                return (Error.cudaErrorStreamCaptureUnsupported, None)
            try:
                result = getattr(self, name)(*arguments)
            except Refused as refused:
                return (refused.error, None)
            values = result if isinstance(result, tuple) else () if result is None else (result,)
            return (Error.cudaSuccess, *values)

        call.__name__ = name
        return call

    def cudaGetDeviceCount(self) -> int:
        return 1

    def cudaDeviceGetAttribute(self, attribute: int, device: int) -> int:
        return (*CAPABILITY, MULTIPROCESSORS)[attribute]

    def cudaGetDeviceProperties(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(name=b"a fake")

    def cudaGetLastError(self) -> None:
        pass

    def cudaMemGetInfo(self) -> tuple[int, int]:
        return self.free, 2 * self.free

    def cudaMalloc(self, size: int) -> int:
        whole = np.full(size + 256, 0xFF, np.uint8)
        address = -(-whole.ctypes.data // 256) * 256
        self.blocks[address] = size, whole
        self.most = max(self.most, sum(length for length, _ in self.blocks.values()))
        return int(address)

    cudaMallocHost = cudaMalloc

    def cudaFree(self, address: int) -> None:
        del self.blocks[address]
        self.scratch_of.pop(address, None)

    cudaFreeHost = cudaFree

    def cudaDeviceGetStreamPriorityRange(self) -> tuple[int, int]:
        return 0, -5

    def cudaStreamCreateWithPriority(self, flags: int, priority: int) -> Stream:
        self.streams.append(Stream())
        return self.streams[-1]

    def cudaStreamDestroy(self, stream: Stream) -> None:
        self.streams.remove(stream)

    def cudaStreamSynchronize(self, stream: Stream) -> None:
        self.waits += 1
        stream.run()

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: int, stream: Stream) -> None:
        for address in ([target] if kind != 2 else []) + ([source] if kind != 1 else []):
            self.inside(address, size)
        self.sent += size if kind == 1 else 0
        self.fetched += size if kind == 2 else 0
        stream.add(lambda: ctypes.memmove(target, source, size) and None)

    def cudaMemcpy2DAsync(self, *copied: Any) -> None:
        target, pitch, source, source_pitch, width, height, kind, stream = copied
        for row in range(height):
            self.cudaMemcpyAsync(target + row * pitch, source + row * source_pitch, width, kind, stream)

    def cudaMemcpy3DAsync(self, copied: SimpleNamespace, stream: Stream) -> None:
        width, height, depth = copied.extent
        for block in range(depth):
            (target, pitch), (source, source_pitch) = (
                (address + block * rows * pitch, pitch) for address, pitch, rows in (copied.dstPtr, copied.srcPtr)
            )
            self.cudaMemcpy2DAsync(target, pitch, source, source_pitch, width, height, copied.kind, stream)

    def cudaStreamWaitEvent(self, stream: Stream, event: Event, flags: int) -> None:
        asked, other = event.asked, event.stream
        assert other is not None
        stream.add(lambda: other.run(lambda: event.reached >= asked))

    def cudaMemsetAsync(self, target: int, value: int, size: int, stream: Stream) -> None:
        self.inside(target, size)
        stream.add(lambda: ctypes.memset(target, value, size) and None)

    def cudaMemset2DAsync(self, *cleared: Any) -> None:
        target, pitch, value, width, height, stream = cleared
        for row in range(height):
            self.cudaMemsetAsync(target + row * pitch, value, width, stream)

    def cudaEventCreateWithFlags(self, flags: int) -> Event:
        self.open += 1
        return Event()

    def cudaEventRecord(self, event: Event, stream: Stream) -> None:
        event.stream, event.asked = stream, event.asked + 1
        stream.add(lambda count=event.asked: event.reach(count))  # type: ignore[misc]

    def cudaEventQuery(self, event: Event) -> None:
        """A little happens whenever somebody asks."""
        assert event.stream is not None
        if event.stream.queue and event.reached < event.asked:
            with event.stream.running:
                event.stream.queue.pop(0)()
        if event.reached < event.asked:
            raise Refused(Error.cudaErrorNotReady)

    def cudaEventSynchronize(self, event: Event) -> None:
        if event.stream is not None:
            event.stream.run(lambda: event.reached >= event.asked)

    def cudaEventDestroy(self, event: Event) -> None:
        self.open -= 1

    def cudaStreamBeginCapture(self, stream: Stream, mode: int) -> None:
        stream.captured = []

    def cudaStreamEndCapture(self, stream: Stream) -> list[Work]:
        captured, stream.captured = stream.captured or [], None
        if stream.broken:
            stream.broken = False
            raise Refused(Error.cudaErrorStreamCaptureInvalidated)
        return captured

    def cudaGraphInstantiate(self, graph: list[Work], flags: int) -> list[Work]:
        self.open += 1
        return list(graph)

    def cudaGraphDestroy(self, graph: list[Work]) -> None:
        pass

    def cudaGraphExecDestroy(self, graph: list[Work]) -> None:
        self.open -= 1

    def cudaGraphLaunch(self, graph: list[Work], stream: Stream) -> None:
        stream.queue += graph

    def inside(self, address: int, size: int) -> None:
        ends = (begin + length for begin, (length, _) in self.blocks.items() if begin <= address)
        assert any(address + size <= end for end in ends), "out of bounds"

    # TensorRT

    def tensorrt(self) -> ModuleType:
        module = ModuleType("tensorrt")
        strategy = SimpleNamespace(USER_MANAGED="user managed")

        def open_runtime(logger: Any) -> SimpleNamespace:
            self.logger = logger
            return SimpleNamespace(deserialize_cuda_engine=self.plans().get)

        names = {"ILogger": _Logger, "Runtime": open_runtime, "ExecutionContextAllocationStrategy": strategy}
        vars(module).update(names | {"__version__": VERSION})
        return module

    def plans(self) -> dict[bytes, Plan]:
        return {b"encoder": EncoderPlan(self), b"decoder": DecoderPlan(self), b"step": StepPlan(self)}

    def refuse(self) -> bool:
        if self.complaint:
            self.logger.log(_Logger.Severity.ERROR, self.complaint)
        return False


class _Logger:
    Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)


class Validity(enum.IntEnum):
    VALID = 0
    SUBOPTIMAL = 1
    INVALID = 2


class Diagnostics(enum.IntFlag):
    VERSION_MISMATCH = 1
    UNSUPPORTED_CC = 2


class FakeRtx:
    """TensorRT for RTX: the same plans, whose contexts are configured."""

    def __init__(self, gpu: FakeGpu) -> None:
        self.gpu = gpu

    def module(self) -> ModuleType:
        module = ModuleType("tensorrt_rtx_bindings")
        runtime = SimpleNamespace(deserialize_cuda_engine=self.gpu.plans().get, get_engine_validity=self.validity)
        vars(module).update(
            __version__=RTX_VERSION,
            ILogger=_Logger,
            Runtime=lambda logger: runtime,
            ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user managed"),
            DynamicShapesKernelSpecializationStrategy=SimpleNamespace(EAGER="eager"),
            CudaGraphStrategy=SimpleNamespace(DISABLED="disabled"),
            EngineValidity=Validity,
            EngineInvalidityDiagnostics=Diagnostics,
        )
        return module

    def validity(self, plan: bytes) -> tuple[Validity, int]:
        if plan in self.gpu.plans():
            return Validity.VALID, 0
        return Validity.INVALID, int(Diagnostics.UNSUPPORTED_CC)


class RuntimeConfiguration:
    """How TensorRT for RTX opens a context."""

    def __init__(self) -> None:
        self.dynamic_shapes_kernel_specialization_strategy = "lazy"
        self.cuda_graph_strategy = ""
        self.allocation = ""
        self.cache: KernelCache | None = None

    def set_execution_context_allocation_strategy(self, strategy: str) -> None:
        self.allocation = strategy

    def create_runtime_cache(self) -> KernelCache:
        return KernelCache()

    def set_runtime_cache(self, cache: KernelCache) -> bool:
        self.cache = cache
        return True


class KernelCache:
    """Knows what was compiled on this card."""

    known = b""

    def serialize(self) -> bytes:
        return KERNELS + self.known

    def deserialize(self, blob: bytes) -> bool:
        self.known = blob if blob.startswith(KERNELS) else b""
        return bool(self.known)


Tensors = dict[str, np.ndarray[Any, Any]]


class Plan:
    device_memory_size_v2 = 1000
    name = ""
    inputs: dict[str, tuple[Any, tuple[int, ...]]]  # type and shape behind the batch
    outputs: dict[str, tuple[Any, tuple[int, ...]]]
    profiles: list[dict[str, tuple[int, ...]]]  # largest of what can change

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.profiles)

    def __init__(self, gpu: FakeGpu) -> None:
        self.gpu = gpu

    def create_execution_context(self, how: str | RuntimeConfiguration) -> Context:
        if isinstance(how, RuntimeConfiguration):
            self.gpu.rtx_configurations.append(how)
            how = how.allocation
        assert how == "user managed"
        return Context(self)

    def create_runtime_config(self) -> RuntimeConfiguration:
        return RuntimeConfiguration()

    def get_tensor_profile_shape(self, name: str, profile: int) -> tuple[tuple[int, ...], ...]:
        return (), (), self.profiles[profile][name]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return -1, *self.outputs[name][1]

    @property
    def num_io_tensors(self) -> int:
        return len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, number: int) -> str:
        return [*self.inputs, *self.outputs][number]

    def work(self, inputs: Tensors, outputs: Tensors) -> None:
        raise NotImplementedError


class Context:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.profile = self.stream = -1
        self.memory = 0
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.ran_with: dict[str, tuple[int, ...]] = {}

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        self.profile, self.stream = profile, stream
        self.shapes.clear()
        return profile < len(self.plan.profiles)

    def set_device_memory(self, address: int, size: int) -> None:
        assert size >= self.plan.device_memory_size_v2
        self.plan.gpu.inside(address, size)
        self.memory = address
        assert self.plan.gpu.scratch_of.setdefault(address, self.stream) == self.stream, "of passes beside each other"

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        largest = self.plan.profiles[self.profile].get(name, ())
        self.shapes[name] = shape
        tuned = name != "audio" or shape[1:] == largest[1:]
        return name in self.plan.inputs and tuned and all(map(int.__le__, shape, largest))

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return address % 256 == 0 and name in {**self.plan.inputs, **self.plan.outputs}

    def is_stream_capturable(self, handle: int) -> bool:
        assert handle == self.stream
        return self.plan.gpu.capturable

    def execute_async_v3(self, handle: int) -> bool:
        plan, gpu = self.plan, self.plan.gpu
        stream = next(stream for stream in gpu.streams if int(stream) == handle)
        assert handle == self.stream
        ready = self.memory and set(self.shapes) == set(plan.inputs)
        if not ready or set(self.addresses) != {*plan.inputs, *plan.outputs}:
            return False
        if stream.captured is not None and not gpu.capturable:
            stream.broken = True
            return gpu.refuse()
        if stream.captured is not None and self.ran_with != self.shapes:
            return False  # new shapes are prepared outside of a capture
        if any(
            self.addresses[name] != self.addresses[f"new_{name}"]
            for name in plan.inputs
            if f"new_{name}" in plan.outputs
        ):
            return False
        self.ran_with = dict(self.shapes)
        rows = self.shapes["ids" if "ids" in self.shapes else "audio"][0]
        inputs = {name: self._view(name, kind, self.shapes[name]) for name, (kind, _) in plan.inputs.items()}
        frames = self.shapes["audio"][1] // 640 if "audio" in self.shapes else 0
        outputs = {
            name: self._view(name, kind, (rows, *(frames if size < 0 else size for size in shape)))
            for name, (kind, shape) in plan.outputs.items()
            if name not in CHOICES
        }
        chosen = self.shapes["at"][0] if "at" in self.shapes else rows
        for name in CHOICES & plan.outputs.keys():
            kind, shape = plan.outputs[name]
            outputs[name] = self._view(name, kind, (chosen, *shape))

        def work() -> None:
            gpu.passes.append((plan.name, rows))
            plan.work(inputs, outputs)

        stream.add(work)
        return True

    def _view(self, name: str, kind: Any, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        self.plan.gpu.inside(self.addresses[name], size)
        raw = (ctypes.c_uint8 * size).from_address(self.addresses[name])
        return np.frombuffer(memoryview(raw), kind).reshape(shape)


SURE = 5.0
CHOICES = {"token", "logprob", "language", "no_speech"}  # outputs of the tokens that are asked
CROSS, SELF, ALIGNMENT = (1, HEARD, 64), (1, TEXT, 64), (2, TEXT, 64)


class EncoderPlan(Plan):
    name = "encoder"
    inputs = {"audio": (np.uint8, (-1,))}  # noqa: RUF012
    outputs = {name: (np.float16, (1, -1, 64)) for name in ("cross_key_0", "cross_value_0")}  # noqa: RUF012
    profiles = [  # noqa: RUF012
        {"audio": (windows, frames * 640)} for frames in (SHORT, HEARD) for windows in (ENCODE_BATCH // 2, ENCODE_BATCH)
    ]

    def work(self, inputs: Tensors, outputs: Tensors) -> None:
        """A window's first sample is all that is heard; the lowest is what is no number."""
        frames = outputs["cross_key_0"].shape[2]
        self.gpu.encoded.append((len(inputs["audio"]), frames))
        heard = inputs["audio"].view(np.int16)[:, 0]
        outputs["cross_key_0"][:] = np.where(heard == BROKEN, np.nan, heard)[:, None, None, None]
        outputs["cross_key_0"][..., 1] = np.linspace(0, 1, frames)  # what each frame is found by


class DecoderPlan(Plan):
    name = "decoder"
    caches = {  # noqa: RUF012
        "self_key_0": (np.float16, SELF),
        "self_value_0": (np.float16, SELF),
        "alignment_query": (np.float16, ALIGNMENT),
    }
    inputs = {  # noqa: RUF012
        "ids": (np.int64, (-1,)),
        **{name: (np.int64, ()) for name in ("position", "at", "frames")},
        **{name: (np.bool_, ()) for name in ("active", "first")},
        **{name: (np.float32, ()) for name in ("temperature", "draw")},
        **{name: (np.float16, CROSS) for name in ("cross_key_0", "cross_value_0")},
        **{name: (kind, (ENTRIES,)) for name, kind in BIAS_INPUTS.items()},
        **caches,
    }
    outputs = {  # noqa: RUF012
        "token": (np.int64, (1,)),
        "logprob": (np.float32, ()),
        "language": (np.float32, (len(LANGUAGES),)),
        "no_speech": (np.float32, ()),
        **{f"new_{name}": value for name, value in caches.items()},
    }
    profiles = [  # noqa: RUF012
        {"ids": (PREFILL_ROWS, TEXT), "at": (PREFILL_ROWS,)},
        {"ids": (1, TEXT), "at": (DRAFT_ROWS,)},
    ]

    def work(self, inputs: Tensors, outputs: Tensors) -> None:
        for row, given in enumerate(inputs["ids"]):
            forced = inputs["forced"][row] if "forced" in inputs else CHOSEN
            ids = given if forced == CHOSEN else np.array([forced])
            self.write(inputs, row, ids)
            for choice, place in enumerate(inputs["at"] if "at" in inputs else np.arange(len(inputs["ids"]))):
                if place // len(ids) == row:
                    self.choose(inputs, outputs, (row, choice), ids[: place % len(ids) + 1])

    def write(self, inputs: Tensors, row: int, ids: np.ndarray[Any, Any]) -> None:
        begin = int(inputs["position"][row])
        end = begin + len(ids)
        assert end <= TEXT, "written behind the cache"
        cache, keys = inputs["self_key_0"][row, 0, :, 0], inputs["cross_key_0"][row, 0, :, 0]
        frames = int(inputs["frames"][row])
        if np.isnan(keys[0]):
            cache[begin:end] = np.nan
            return
        cache[begin:end] = ids
        assert np.isfinite(cache).all() and np.isfinite(keys).all(), "what is no number shines through the mask"
        if frames == SHORT:
            assert (keys[:SHORT] == keys[0]).all() and not keys[SHORT:].any()
        inputs["alignment_query"][row, :, begin:end] = 0
        inputs["alignment_query"][row, :, begin:end, 1] = np.arange(begin, end)

    def choose(self, inputs: Tensors, outputs: Tensors, place: tuple[int, int], ids: np.ndarray[Any, Any]) -> None:
        (row, choice), sound = place, float(inputs["cross_key_0"][place[0], 0, 0, 0])
        if np.isnan(sound):
            return
        tokens = inputs["self_key_0"][row, 0, : int(inputs["position"][row]) + len(ids), 0].tolist()
        how = bool(inputs["first"][choice]), float(inputs["temperature"][choice]), float(inputs["draw"][choice])
        active = bool(inputs["active"][choice])
        token = self.gpu.say(sound, tokens, *how) if active else ids[-1]
        outputs["token"][choice] = raised_token(inputs, choice, int(tokens[-1])) or token if active else token
        outputs["logprob"][choice] = -len(tokens) / 100
        if "language" in outputs:
            outputs["language"][choice] = languages(sound, tokens)
            outputs["no_speech"][choice] = outputs["language"][choice, 1]


def raised_token(inputs: Tensors, row: int, before: int) -> int:
    """The token that a row's bias lifts above what the toy would say, whose logit is SURE; 0 for none."""
    entries = zip(*(inputs[name][row].tolist() for name in BIAS_INPUTS if name in inputs), strict=True)
    told = {token: boost for after, token, boost in entries if after in (AFTER_ANY, before) and boost > SURE}
    return max(told, key=lambda token: told[token], default=0)


class StepPlan(DecoderPlan):
    name = "step"
    inputs = {  # noqa: RUF012
        **{name: value for name, value in DecoderPlan.inputs.items() if name != "at"},
        **{name: (np.int64, ()) for name in ("forced", "length")},
        "ids": (np.int64, (1,)),
    }
    outputs = {  # noqa: RUF012
        name: value for name, value in DecoderPlan.outputs.items() if name not in ("language", "no_speech")
    }
    profiles = [{"ids": (SLOTS // 2, 1)}, {"ids": (SLOTS, 1)}]  # noqa: RUF012
