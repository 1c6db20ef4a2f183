"""Plans by TensorRT for RTX: compiled on any machine, for a compute capability that is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from export.tensorrt import CompileError, Compiler, PlanRequest, Profile, progress_monitor
from speech.whisper.engine import DeviceLost, EngineError
from speech.whisper.manifest import Compiled

NEEDED = "--target tensorrt-rtx needs TensorRT for RTX: pip install .[rtx]"


class RtxCompiler:
    """Needs no GPU. Kernels are chosen and compiled where a plan is opened."""

    def __init__(self, compute_capability: str | None) -> None:
        """compute_capability: such as 8.0; None: that of the card here

        raises: CompileError, saying what is needed
        """
        try:
            import tensorrt_rtx_bindings as rtx
        except ImportError as error:
            raise CompileError(f"{NEEDED}\nHere: {error}") from error
        chosen = compute_capability or _capability_here()
        known = {_dotted(name): kind for name, kind in rtx.ComputeCapability.__members__.items() if name[:2] == "SM"}
        if chosen not in known:
            raise CompileError(
                f"TensorRT-RTX {rtx.__version__} compiles for the compute capabilities {', '.join(known)}, not {chosen}"
            )
        self.here = Compiled(str(rtx.__version__), chosen)
        self._rtx = rtx
        self._kind = known[chosen]

    def compile(self, plan: PlanRequest) -> None:
        compiler = Compiler(self._rtx, plan.graph)
        plan.path.write_bytes(compiler.build(self.configure(compiler, plan.profiles)))

    def configure(self, compiler: Compiler, profiles: Sequence[Profile]) -> Any:
        """The builder's options. What lies between the layers is given to it, or its steps could not be captured."""
        config = compiler.configure(profiles)
        config.set_flag(self._rtx.BuilderFlag.REQUIRE_USER_ALLOCATION)
        config.num_compute_capabilities = 1
        config.set_compute_capability(self._kind, 0)
        config.progress_monitor = progress_monitor(self._rtx)
        return config


def _capability_here() -> str:
    try:
        from speech.whisper.gpu.cuda import find_card

        return find_card().compute_capability
    except (ImportError, DeviceLost, EngineError) as error:
        raise CompileError(
            f"no GPU is here to compile for ({error}): name its compute capability (--compute-capability 8.0)"
        ) from error


def _dotted(name: str) -> str:
    """SM120 → 12.0"""
    return f"{name[2:-1]}.{name[-1]}"
