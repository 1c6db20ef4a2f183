"""ONNX graphs compiled to TensorRT's plans, for the card at hand and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from export.progress import Counter
from export.tensorrt_dialect import tensorrt_dialect
from speech.whisper.engine import DeviceLost, EngineError
from speech.whisper.gpu.artifacts import CONTEXTS, DRAFT_ROWS, ENCODE_ROWS, FRAME_BYTES, PREFILL_ROWS, STEP_ROWS
from speech.whisper.gpu.bias_buffer import BIAS_INPUTS
from speech.whisper.manifest import Compiled

TENSORRT = 11  # the first version whose networks are all strongly typed
WORKSPACE = 4 << 30  # bytes of scratch that a plan may ask for
OPTIMIZATION = 3  # of 5: what TensorRT recommends; 4 and 5 measure more kernels and take several times as long
PROGRESS_EVERY = 10  # seconds
NEEDED = (
    "--target tensorrt needs TensorRT 11 and the NVIDIA GPU that will serve. On that machine, with its GPU:\n"
    "  STT_MODEL=MODEL docker compose -f docker/compose.gpu.yaml run --rm export\n"
    "or the same command as here inside NVIDIA's container nvcr.io/nvidia/tensorrt:26.09-py3"
)


class CompileError(RuntimeError):
    """TensorRT is not there, or does not accept what it was given."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Sizes that a plan accepts: the least, what it is tuned for, the most."""

    batch: tuple[int, int, int]
    length: tuple[int, int, int] = (1, 1, 1)  # of another axis that is open: tokens of a prompt, bytes of audio
    rows: tuple[int, int, int] | None = None  # choices of a token, if not one of each of the batch


CHOICE_INPUTS = {"at", "active", "first", "temperature", "draw", *BIAS_INPUTS}
TEXT = 448  # tokens, of every Whisper


def _tuned(rows: Sequence[int]) -> list[tuple[int, int, int]]:
    """Batches of profiles, one above the other. Kernels are chosen for one size of a profile: a live window is another
    matter than many files.
    """
    steps = zip((0, *rows), rows, strict=False)
    return [(least + 1, least + 1 if most == rows[0] else most, most) for least, most in steps]


ENCODER_PROFILES = tuple(
    Profile(batch, (context * FRAME_BYTES,) * 3) for context in CONTEXTS for batch in _tuned(ENCODE_ROWS)
)
PROMPTS = Profile((1, PREFILL_ROWS // 4, PREFILL_ROWS), (1, 8, TEXT))
DRAFTS = Profile((1, 1, 1), (1, DRAFT_ROWS // 2, TEXT), (1, DRAFT_ROWS // 2, DRAFT_ROWS))
DECODER_PROFILES = (PROMPTS, DRAFTS)
STEP_PROFILES = tuple(map(Profile, _tuned(STEP_ROWS)))


def load_tensorrt() -> tuple[ModuleType, Compiled]:
    """TensorRT's module, and what its plans will fit. raises: CompileError, saying what is needed"""
    try:
        import tensorrt as trt
    except ImportError as error:
        raise CompileError(f"{NEEDED}\nHere: {error}") from error
    if int(trt.__version__.split(".")[0]) < TENSORRT:
        raise CompileError(f"{NEEDED}\nHere: TensorRT {trt.__version__}")
    try:
        from speech.whisper.gpu.cuda import find_card

        card = find_card()
    except (ImportError, DeviceLost, EngineError) as error:
        raise CompileError(f"{NEEDED}\nHere: {error}") from error
    return trt, Compiled(trt.__version__, card.compute_capability, card.name, card.multiprocessors)


class Compiler:
    """One graph on its way to a plan.

    trt: TensorRT's module, or that of TensorRT-RTX, whose builder has the same names
    """

    def __init__(self, trt: Any, graph: Path) -> None:
        """raises: CompileError if the graph is not understood"""
        self._trt = trt
        self._logger = trt.Logger(trt.Logger.ERROR)
        self._builder = trt.Builder(self._logger)
        self.network = self._builder.create_network(0)
        self._parser = trt.OnnxParser(self.network, self._logger)  # holds the weights until the plan is built
        with tensorrt_dialect(graph) as own:
            understood = self._parser.parse_from_file(str(own))
        if not understood:
            errors = [str(self._parser.get_error(index)) for index in range(self._parser.num_errors)]
            raise CompileError(f"TensorRT does not understand {graph.name}: {'; '.join(errors)}")

    def configure(self, profiles: Sequence[Profile]) -> Any:
        """The builder's options: no TF32, which would round log-mel and the sums that sampling needs."""
        config = self._builder.create_builder_config()
        config.clear_flag(self._trt.BuilderFlag.TF32)
        config.set_memory_pool_limit(self._trt.MemoryPoolType.WORKSPACE, WORKSPACE)
        config.builder_optimization_level = OPTIMIZATION
        for profile in profiles:
            config.add_optimization_profile(self._profile(profile))
        return config

    def _profile(self, profile: Profile) -> Any:
        shapes = self._builder.create_optimization_profile()
        for index in range(self.network.num_inputs):
            put = self.network.get_input(index)
            shapes.set_shape(put.name, *ranges(put.name, tuple(put.shape), profile))
        return shapes

    def build(self, config: Any) -> Any:
        """The plan, as a buffer. raises: CompileError"""
        plan = self._builder.build_serialized_network(self.network, config)
        if plan is None:
            raise CompileError("TensorRT built no plan; its log above says why")
        return plan


def ranges(name: str, shape: tuple[int, ...], profile: Profile) -> Iterator[tuple[int, ...]]:
    """The first axis is the batch, or of what is asked of a choice its rows; another one that is open (−1) is that of
    the tokens or bytes.
    """
    first = profile.rows if profile.rows and name in CHOICE_INPUTS else profile.batch
    for batch, length in zip(first, profile.length, strict=True):
        yield (batch, *(length if size < 0 else size for size in shape[1:]))


@dataclass(frozen=True, slots=True)
class PlanRequest:
    graph: Path  # what it is compiled from
    path: Path
    profiles: tuple[Profile, ...]


class PlanCompiler(Protocol):
    """TensorRT or TensorRT for RTX, ready to compile."""

    @property
    def here(self) -> Compiled:
        """What its plans will fit."""

    def compile(self, plan: PlanRequest) -> None:
        """Writes the plan. raises: CompileError"""


class CardCompiler:
    """TensorRT, which measures kernels on the card at hand.

    timings: folder for how fast they were, so that the next build is short
    """

    def __init__(self, timings: Path) -> None:
        """raises: CompileError, saying what is needed"""
        self._trt, self.here = load_tensorrt()
        card = re.sub(r"\W+", "-", self.here.card)
        self._timings = timings / f"tensorrt-{self.here.version}-{card}-{self.here.multiprocessors}.timings"

    def compile(self, plan: PlanRequest) -> None:
        compiler = Compiler(self._trt, plan.graph)
        config = compiler.configure(plan.profiles)
        config.progress_monitor = progress_monitor(self._trt)
        cache = config.create_timing_cache(self._timings.read_bytes() if self._timings.exists() else b"")
        if not config.set_timing_cache(cache, ignore_mismatch=False):  # of another card, or broken
            cache = config.create_timing_cache(b"")
            config.set_timing_cache(cache, ignore_mismatch=False)
        try:
            plan.path.write_bytes(compiler.build(config))
        finally:  # what was learned until then is worth minutes
            self._timings.parent.mkdir(parents=True, exist_ok=True)
            self._timings.write_bytes(cache.serialize())


def progress_monitor(trt: Any) -> Any:
    """Prints now and then how far a build is, which may take many minutes."""

    class BuildMonitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._phases: dict[str, tuple[Counter, int]] = {}  # by name, with its steps

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._phases[phase_name] = (Counter(phase_name, PROGRESS_EVERY), num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._phases:
                counter, steps = self._phases[phase_name]
                counter.report(step, steps)
            return True  # false would end the build

        def phase_finish(self, phase_name: str) -> None:
            self._phases.pop(phase_name, None)

    return BuildMonitor()
