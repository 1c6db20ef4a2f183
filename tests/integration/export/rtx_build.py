"""Builds a graph ahead of time for an A100, as export.tensorrt does it, with TensorRT-RTX: no GPU is needed.

    python rtx_build.py encoder.onnx|decoder.onnx|step.onnx [SM80|SM89 …]

prints the network's layers by kind, the plan's size and its profiles, as JSON. A process of its own, because
what TensorRT cannot compile may end it.
"""

from __future__ import annotations

import json
import resource
import sys
from collections import Counter
from pathlib import Path

import tensorrt_rtx_bindings as trt

from export.tensorrt import DECODER_PROFILES, ENCODER_PROFILES, STEP_PROFILES, Compiler, progress_monitor

MEMORY = 6 << 30  # bytes
PROFILES = {"encoder": ENCODER_PROFILES, "decoder": DECODER_PROFILES, "step": STEP_PROFILES}


def main(path: Path, card: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    compiler = Compiler(trt, path)
    network = compiler.network
    layers = Counter(network.get_layer(index).type.name for index in range(network.num_layers))
    config = compiler.configure(PROFILES[path.stem])
    config.progress_monitor = progress_monitor(trt)
    config.num_compute_capabilities = 1  # RTX alone: TensorRT itself builds for the card at hand
    config.set_compute_capability(getattr(trt.ComputeCapability, card), 0)
    plan = compiler.build(config)
    said = {"layers": layers, "bytes": plan.nbytes, "profiles": config.num_optimization_profiles}
    said |= {"tf32": config.get_flag(trt.BuilderFlag.TF32)}
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
