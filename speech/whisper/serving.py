"""A Whisper behind Triton's Python backend: requests, results, cancellation and metrics.

The backend's module is passed in (`backend`, triton_python_backend_utils): it exists only inside Triton.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from speech.audio import InvalidAudio
from speech.gpu import find_gpu
from speech.parent_watchdog import end_process, exit_with_parent
from speech.tensors import (
    AUDIO,
    CALLER,
    DRAFT,
    GPU_METRIC,
    KEYTERMS,
    LANGUAGE,
    PRIORITY,
    PROMPT,
    REGIONS,
    RESULT,
    TASK,
    Priority,
    Task,
    Tensor,
    write_result,
)
from speech.transcript import WindowResult
from speech.whisper.batching.scheduler import Closed, Overloaded, Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.batching.slot_allocator import AdmissionPolicy
from speech.whisper.batching.statistics import Statistics
from speech.whisper.calibration import Calibration, calibrated
from speech.whisper.engine import Engine, EngineError
from speech.whisper.manifest import InvalidManifest, Manifest, read_manifest
from speech.whisper.special_tokens import UnknownLanguage
from speech.whisper.timing import compile_timing
from speech.whisper.tokenizer import Tokenizer

if TYPE_CHECKING:
    from speech.whisper.gpu.factory import EngineLimits

PUBLISH_SECONDS = 1.0  # between two updates of the metrics
CPU_SLOTS = 10
STUCK_SECONDS = 120.0  # without a turn: the engine hangs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """From config.pbtxt's parameters; WHISPER_<NAME> in the environment overrides them."""

    slots: int = 0  # windows decoded at once, a fifth of them kept for live ones; 0: as suits the engine
    threads: int = 0  # of the engine on a CPU; 0: one per core this process may use
    gather: int = 0  # file windows collected before encoding beside a busy decoder; 0: as suits the engine
    gpu_memory: float = 0.8  # share of a GPU's free memory that the model may take
    gpu_memory_gb: float = 0.0  # GB that it may take, weights included, whatever is free; 0: the share counts
    library: str = ""  # that runs the graphs for GPUs: torch, to compare with; else as exported
    longest_queue: int = 2048  # windows; more are refused
    grace: float = 25.0  # seconds to drain in when the model is unloaded

    @classmethod
    def read(cls, parameters: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]) -> ServingOptions:
        """Raises ValueError for a value that is no number."""
        values: dict[str, Any] = {}
        for option in fields(cls):
            name, default = option.name, cast(Any, option.default)
            text = environment.get(f"WHISPER_{name.upper()}") or parameters.get(name, {}).get("string_value", "")
            if text:
                values[name] = type(default)(text)
        return cls(**values)

    def policy(self, engine: Engine) -> AdmissionPolicy:
        """The engine's own, but for what is set here. Only a GPU's engine takes steps ahead."""
        own = AdmissionPolicy.for_slots(engine.slots)
        if engine.lookahead:
            own = AdmissionPolicy.for_gpu(engine.slots, engine.encode_batch)
        return replace(own, gather=self.gather or own.gather, longest_queue=self.longest_queue)


OpenEngine = Callable[[Path, ServingOptions], Engine]


def open_engine(folder: Path, options: ServingOptions) -> Engine:
    """The engine that the export in the folder was made for. Raises InvalidManifest, EngineError."""
    manifest = read_manifest(folder)
    if manifest.random:
        raise InvalidManifest(
            f"whisper-{manifest.id} holds random numbers, for timing only, and cannot be served: "
            f"run `python -m export whisper --model {manifest.id} --target {manifest.target}`"
        )
    return open_for_timing(folder, options)


def open_for_timing(folder: Path, options: ServingOptions) -> Engine:
    """The same for any export, random weights included. Raises InvalidManifest, EngineError."""
    target = read_manifest(folder).target
    if options.library:
        return _open_with(options.library, folder, target, options)
    if target not in _ENGINES:
        raise InvalidManifest(f"{folder} was exported for {target}; this version runs {', '.join(_ENGINES)}")
    return _ENGINES[target](folder, options)


def _open_with(library: str, folder: Path, target: str, options: ServingOptions) -> Engine:
    from speech.whisper.gpu.factory import open_torch

    if library != "torch" or target == "cpu":
        raise EngineError(f"WHISPER_LIBRARY={library} with an export for {target}: only torch, for a GPU's target")
    return open_torch(folder, _limits(options))


def open_cpu_engine(folder: Path, options: ServingOptions) -> Engine:
    from speech.whisper.cpu.engine import CpuEngine

    threads = options.threads or len(os.sched_getaffinity(0))
    return CpuEngine(folder, slots=options.slots or CPU_SLOTS, threads=threads)


def open_cuda_engine(folder: Path, options: ServingOptions) -> Engine:
    from speech.whisper.gpu.factory import open_cuda

    return open_cuda(folder, _limits(options))


def open_tensorrt_engine(folder: Path, options: ServingOptions) -> Engine:
    from speech.whisper.gpu.factory import open_tensorrt

    return open_tensorrt(folder, _limits(options))


def open_rtx_engine(folder: Path, options: ServingOptions) -> Engine:
    from speech.whisper.gpu.factory import open_rtx

    return open_rtx(folder, _limits(options))


def _limits(options: ServingOptions) -> EngineLimits:
    from speech.whisper.gpu.factory import EngineLimits

    return EngineLimits(options.slots, options.gpu_memory, int(options.gpu_memory_gb * 1e9))


_ENGINES: dict[str, OpenEngine] = {  # by the manifest's target
    "cpu": open_cpu_engine,
    "cuda": open_cuda_engine,
    "tensorrt": open_tensorrt_engine,
    "tensorrt-rtx": open_rtx_engine,
}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    labels: dict[str, str]  # of its metrics
    engine: Engine
    calibration: Calibration | None  # of word confidence; None: uncalibrated


class WhisperAdapter:
    """One loaded Triton model."""

    def __init__(
        self,
        backend: Any,
        scheduler: Scheduler,
        options: ServingOptions,
        model: LoadedModel,
    ) -> None:
        self._backend = backend
        self._scheduler = scheduler
        self._calibration = model.calibration
        self._options = options
        self._metrics = SchedulerMetrics(backend, model.labels)
        self._gpu = publish_gpu(backend, model.labels)
        self._captured = publish_captured(backend, model.labels, model.engine)
        self._stopped = threading.Event()
        self._publisher = threading.Thread(target=self._publish, name="whisper-metrics", daemon=True)
        self._publisher.start()

    @classmethod
    def open(cls, backend: Any, arguments: Mapping[str, str], opener: OpenEngine = open_engine) -> WhisperAdapter:
        """From the arguments of `initialize`. Raises if the engines beside model.py cannot be served."""
        exit_with_parent()
        options = ServingOptions.read(json.loads(arguments["model_config"]).get("parameters", {}), os.environ)
        folder = Path(arguments["model_repository"]) / arguments["model_version"]
        tokenizer = Tokenizer.load(folder)
        engine = opener(folder, options)
        compile_timing()
        scheduler = Scheduler(engine, tokenizer, options.policy(engine), on_device_lost=end_process)
        labels = {"model": arguments["model_name"], "version": arguments["model_version"]}
        model = LoadedModel(labels, engine, _calibration(read_manifest(folder)))
        return cls(backend, scheduler, options, model)

    def accept(self, requests: Sequence[Any]) -> None:
        """Queues every request; answers come later, each on its own sender."""
        for request in requests:
            sender = request.get_response_sender()
            try:
                self._accept(request, sender)
            except Exception as error:  # one bad request fails alone
                self._refuse(sender, error)

    def close(self) -> None:
        """Drains the scheduler, within the grace."""
        self._scheduler.close(self._options.grace)
        self._stopped.set()
        self._publisher.join()

    def _accept(self, request: Any, sender: Any) -> None:
        tensors = {tensor.name(): tensor for tensor in request.inputs()}
        audio = tensors[AUDIO.name].as_numpy()
        if not audio.size:
            self._answer_liveness(sender)
            return
        future = self._scheduler.submit(
            Request(
                audio=np.array(audio),  # a copy: the request's memory is Triton's
                language=_text(tensors, LANGUAGE),
                prompt=_text(tensors, PROMPT),
                draft=_text(tensors, DRAFT),
                keyterms=tuple(filter(None, _text(tensors, KEYTERMS).split("\n"))),
                task=Task(_text(tensors, TASK) or Task.TRANSCRIBE),
                priority=Priority(_text(tensors, PRIORITY) or Priority.FILE),
                regions=_regions(tensors),
                caller=_text(tensors, CALLER),
                recording=str(request.correlation_id() or request.request_id()),
                is_cancelled=sender.is_cancelled,
            )
        )
        future.add_done_callback(lambda done: self._answer(sender, done))

    def _answer_liveness(self, sender: Any) -> None:
        """A liveness probe has no audio: answered at once, at no cost."""
        if self._scheduler.stalled_seconds() > STUCK_SECONDS:
            raise RuntimeError("the engine hangs")
        self._send(sender, WindowResult((), "", "", 0.0, 0.0, 1.0))

    def _answer(self, sender: Any, done: Future[WindowResult]) -> None:
        try:
            self._send(sender, calibrated(done.result(), self._calibration))
        except (Exception, CancelledError) as error:
            self._refuse(sender, error)

    def _send(self, sender: Any, result: WindowResult) -> None:
        payload = np.array([write_result(result)], dtype=object)
        response = self._backend.InferenceResponse([self._backend.Tensor(RESULT.name, payload)])
        sender.send(response, flags=self._backend.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _refuse(self, sender: Any, error: BaseException) -> None:
        name, code = self._code(error)
        # A stream carries only the text, so that begins with the code.
        failure = self._backend.TritonError(f"{name}: {error}", code)
        response = self._backend.InferenceResponse(error=failure)
        try:
            sender.send(response, flags=self._backend.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        except Exception:  # the caller has disconnected
            log.debug("an error could not be sent", exc_info=True)

    def _code(self, error: BaseException) -> tuple[str, Any]:
        """The gRPC name and Triton's value."""
        codes = self._backend.TritonError
        match error:
            case InvalidAudio() | UnknownLanguage() | ValueError() | KeyError():
                return "INVALID_ARGUMENT", codes.INVALID_ARG
            case Overloaded() | Closed():
                return "UNAVAILABLE", codes.UNAVAILABLE
            case CancelledError():
                return "CANCELLED", codes.CANCELLED
        return "INTERNAL", codes.INTERNAL

    def _publish(self) -> None:
        while not self._stopped.wait(PUBLISH_SECONDS):
            self._metrics.publish(self._scheduler.statistics)


class SchedulerMetrics:
    """A scheduler's statistics as Triton metrics. A family that nobody references disappears, so they are kept here."""

    FAMILIES = (
        ("audio_seconds", "whisper_audio_seconds_total", "Seconds of audio encoded"),
        ("tokens", "whisper_tokens_total", "Tokens decoded"),
        ("windows", "whisper_windows_total", "Windows encoded"),
        ("encodes", "whisper_encodes_total", "Calls of the encoder"),
        ("rows", "whisper_rows_total", "Rows of all decoder steps"),
        ("steps", "whisper_steps_total", "Decoder steps: rows over steps is the mean batch"),
        ("finished", "whisper_finished_total", "Windows answered"),
        ("fallbacks", "whisper_fallbacks_total", "Attempts after the first"),
        ("cancelled", "whisper_cancelled_total", "Windows given up by their caller"),
        ("failed", "whisper_failed_total", "Windows that failed"),
        ("waited", "whisper_queue_seconds_total", "Seconds that windows waited for a slot"),
        ("admissions", "whisper_admissions_total", "Windows that got a slot"),
        ("waiting", "whisper_queue_length", "Windows that wait for a slot"),
        ("waiting_seconds", "whisper_queue_audio_seconds", "Seconds of audio in the windows that wait"),
        ("decoding", "whisper_batch_size", "Rows of the last decoder step"),
    )

    def __init__(self, backend: Any, labels: dict[str, str]) -> None:
        kinds = backend.MetricFamily
        self._families = [
            kinds(name=name, description=text, kind=kinds.COUNTER if name.endswith("_total") else kinds.GAUGE)
            for _, name, text in self.FAMILIES
        ]
        self._metrics = [family.Metric(labels=labels) for family in self._families]
        self._published = dict.fromkeys((field for field, _, _ in self.FAMILIES), 0.0)

    def publish(self, statistics: Statistics) -> None:
        """Brings Triton's metrics up to date."""
        for (field, name, _), metric in zip(self.FAMILIES, self._metrics, strict=True):
            value = float(getattr(statistics, field))
            if value == self._published[field]:
                continue
            if name.endswith("_total"):
                metric.increment(value - self._published[field])
            else:
                metric.set(value)
            self._published[field] = value


def publish_gpu(backend: Any, labels: dict[str, str]) -> tuple[Any, Any] | None:
    """Publishes the GPU's name and memory, which Triton's own metrics lack; what is returned must be kept."""
    gpu = find_gpu()
    if gpu is None:
        return None
    kinds = backend.MetricFamily
    family = kinds(name=GPU_METRIC, description="Bytes of memory of the GPU, with its name", kind=kinds.GAUGE)
    metric = family.Metric(labels=labels | {"gpu": gpu.name or ""})
    metric.set(float(gpu.memory))
    return family, metric


def publish_captured(backend: Any, labels: dict[str, str], engine: Engine | None) -> tuple[Any, Any] | None:
    """Publishes whether a GPU's steps are CUDA graphs; without, a step costs several times as much."""
    captured = getattr(engine, "captured", None)
    if captured is None:
        return None
    kinds = backend.MetricFamily
    family = kinds(name="whisper_cuda_graphs", description="1 if a step is a CUDA graph, else 0", kind=kinds.GAUGE)
    metric = family.Metric(labels=labels)
    metric.set(float(captured))
    return family, metric


def _calibration(manifest: Manifest) -> Calibration | None:
    if manifest.calibration is None:
        log.warning("whisper-%s is uncalibrated: confidence is the mean probability of a word's tokens", manifest.id)
    return manifest.calibration


def _regions(tensors: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    if REGIONS.name not in tensors:
        return ()
    bounds = tensors[REGIONS.name].as_numpy().reshape(-1).tolist()
    if len(bounds) % 2:
        raise ValueError(f"{REGIONS.name} holds pairs of bounds, not {len(bounds)} numbers")
    return tuple(zip(bounds[::2], bounds[1::2], strict=True))


def _text(tensors: Mapping[str, Any], tensor: Tensor) -> str:
    """A BYTES tensor's one element; "" where the optional input is missing."""
    if tensor.name not in tensors:
        return ""
    values = tensors[tensor.name].as_numpy().reshape(-1)
    if len(values) != 1:
        raise ValueError(f"{tensor.name} holds one string, not {len(values)}")
    return bytes(values[0]).decode()
