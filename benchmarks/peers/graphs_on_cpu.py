"""This project's scheduler over a GPU's graphs that ONNX Runtime runs on the CPU: a rehearsal where no card is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.peers.engine import EnginePeer
from benchmarks.peers.worker import serve
from speech.whisper.gpu.device_memory import HostMemory
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.factory import open_runner
from speech.whisper.gpu.onnx_library import OnnxLibrary, SessionSettings, load_sessions
from speech.whisper.manifest import read_manifest
from speech.whisper.serving import ServingOptions

SLOTS, ENCODE_BATCH, THREADS = 4, 2, 2


def open_on_cpu(folder: Path, options: ServingOptions) -> GraphEngine:
    """Few slots: memory is the host's.

    raises: InvalidManifest, EngineError
    """
    manifest = read_manifest(folder)
    slots = options.slots or SLOTS
    sessions = load_sessions(folder, SessionSettings("CPUExecutionProvider", threads=options.threads or THREADS))
    memory = HostMemory()
    library = OnnxLibrary(sessions, memory.device)
    return GraphEngine(manifest, open_runner(manifest, library, slots, ENCODE_BATCH, memory))


if __name__ == "__main__":
    serve(partial(EnginePeer, opener=open_on_cpu))
