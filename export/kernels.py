"""Compiles the CPU's kernels in a process of its own: half a minute of one core, while weights are fetched and packed.

What is compiled depends on this CPU and on the kernels' source, not on a model: a tiny one with random weights serves.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL

import speech.diarization.cpu.kernel_networks  # noqa: F401 - all kernels, to be compiled
from export.parity import warm_up
from export.random_weights import random_weights
from export.targets import CPU, write_cpu_files
from export.tokenizer import languages, special_tokens
from speech.diarization.cpu.dot_kernels import compile_kernels
from speech.whisper.engine import Dimensions
from speech.whisper.manifest import RANDOM, Manifest, Source, write_manifest

TINY = Dimensions(
    n_mels=80,
    n_audio_ctx=1500,
    n_audio_state=64,
    n_audio_head=1,
    n_audio_layer=1,
    n_vocab=51865,
    n_text_ctx=448,
    n_text_state=64,
    n_text_head=1,
    n_text_layer=1,
)


class KernelCompiler:
    """The process, while it runs. If it fails, whoever runs the kernels first compiles them, and says what is wrong."""

    def __init__(self, network: str = "whisper") -> None:
        """network: whose kernels, of KERNELS"""
        self._network = network
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [sys.executable, "-m", "export.kernels", self._network]
        # A session of its own: Ctrl-C comes to the export alone, which ends this one.
        with subprocess.Popen(
            command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        ) as process:
            self._process = process
            try:
                yield
            finally:
                process.terminate()

    def wait(self) -> None:
        """Returns when the kernels lie compiled in their cache, or nobody compiles them."""
        if self._process is not None:
            self._process.wait()


def compile_whisper() -> None:
    weights = random_weights(TINY, alignment_heads=((0, 0),))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cpu_files(weights, folder)
        write_manifest(_manifest(), folder)
        warm_up(folder)


def _manifest() -> Manifest:
    return Manifest(
        id="tiny",
        target=CPU.name,
        dimensions=TINY,
        languages=languages(TINY.n_vocab),
        tokens=special_tokens(TINY.n_vocab),
        suppressed=(1,),
        suppressed_first=(2,),
        alignment_heads=((0, 0),),
        precision=CPU.precision,
        opset=CPU.opset,
        source=Source("noise", RANDOM, "none", "0" * 64),
        versions={},
        parity={},
        files={},
    )


KERNELS = {"whisper": compile_whisper, "diarizer": compile_kernels}

if __name__ == "__main__":
    KERNELS[sys.argv[1]]()
