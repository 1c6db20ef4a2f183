"""TensorRT's runtime: loads plans, and opens the contexts in which they run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from speech.whisper.engine import EngineError

ERRORS_KEPT = 5  # of TensorRT's, for the text of those that are raised here

log = logging.getLogger(__name__)


class PlanRuntime:
    """The runtime of one module of TensorRT. TensorRT for RTX has another one, in rtx_runtime."""

    name = "TensorRT"

    def __init__(self, trt: Any) -> None:
        """trt: TensorRT's module, or one with the same names"""
        self.version = str(trt.__version__)
        self._trt = trt
        self._log = error_log(trt)
        self._runtime = trt.Runtime(self._log)

    def load(self, path: Path) -> Any:
        """The plan, its weights in the GPU's memory.

        raises: EngineError if it is refused: it was compiled by another version, or for another GPU
        """
        plan = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if plan is None:
            raise EngineError(f"{self.name} {self.version} refuses {path}{self.said()}")
        return plan

    def open_context(self, plan: Any) -> Any:
        """A context whose activations lie where the caller says; None where there can be none."""
        return plan.create_execution_context(self._trt.ExecutionContextAllocationStrategy.USER_MANAGED)

    def capturable(self, context: Any, stream: int) -> bool:
        """Whether a pass may be tried as a CUDA graph."""
        return True

    def said(self) -> str:
        """What it last complained about, as the end of a sentence."""
        errors = self._log.errors
        return f": {'; '.join(errors)}" if errors else "; its log says why"

    def remember(self) -> None:
        """Keeps what was compiled on this card, for the next time."""


def error_log(trt: Any) -> Any:
    """A logger of TensorRT's that passes messages on, and keeps the last errors for those that are raised here."""

    class ErrorLog(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.errors = [*self.errors, msg][-ERRORS_KEPT:]
                log.error("TensorRT: %s", msg)
            elif severity == trt.ILogger.Severity.WARNING:
                log.warning("TensorRT: %s", msg)

    return ErrorLog()
