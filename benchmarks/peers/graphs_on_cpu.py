"""This project's scheduler over a GPU's graphs that ONNX Runtime runs on the CPU: a rehearsal where no card is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.peers.engine import EnginePeer
from benchmarks.peers.worker import serve
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.onnx_runner import OnnxRunner, load_sessions
from speech.whisper.gpu.slot_kv_cache import HostMemory, SlotKvCache, slot_shapes
from speech.whisper.manifest import read_manifest
from speech.whisper.serving import ServingOptions

SLOTS, ENCODE_BATCH, THREADS = 4, 2, 2


def open_on_cpu(folder: Path, options: ServingOptions) -> GraphEngine:
    """Few slots: memory is the host's.

    raises: InvalidManifest, EngineError
    """
    manifest = read_manifest(folder)
    slots = options.slots or SLOTS
    shapes = slot_shapes(manifest.dimensions, len(manifest.alignment_heads))
    store = SlotKvCache(shapes, slots, min(slots, ENCODE_BATCH), HostMemory())
    sessions = load_sessions(folder, "CPUExecutionProvider", options.threads or THREADS)
    return GraphEngine(manifest, OnnxRunner(sessions, store))


if __name__ == "__main__":
    serve(partial(EnginePeer, opener=open_on_cpu))
