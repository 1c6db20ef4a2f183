"""Builds a graph ahead of time for an A100, as `--target tensorrt-rtx` does it: no GPU is needed.

    python rtx_build.py encoder.onnx|decoder.onnx|step.onnx [8.0|8.9 …]

prints the network's layers by kind, the plan's size and its profiles, as JSON. A process of its own, because
what TensorRT cannot compile may end it.
"""

from __future__ import annotations

import json
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import tensorrt_rtx_bindings as trt

from export.rtx import RtxCompiler
from export.tensorrt import DECODER_PROFILES, ENCODER_PROFILES, STEP_PROFILES, Compiler

MEMORY = 6 << 30  # bytes
PROFILES = {"encoder": ENCODER_PROFILES, "decoder": DECODER_PROFILES, "step": STEP_PROFILES}


def attention_inputs(network: Any) -> dict[str, int]:
    """In how many attentions there is a mask, are lengths of the keys, are keys multiplied by something before."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    inputs = [
        [layer.get_input(place) if place < layer.num_inputs else None for place in range(7)]
        for layer in layers
        if layer.type == trt.LayerType.ATTENTION_INPUT
    ]
    scaled = {layer.get_output(0).name for layer in layers if layer.type == trt.LayerType.ELEMENTWISE}
    return {
        "masks": sum(each[3] is not None for each in inputs),
        "lengths": sum(each[6] is not None for each in inputs),
        "scaled_keys": sum(each[1].name in scaled for each in inputs if each[1] is not None),
    }


def main(path: Path, card: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    compiler = Compiler(trt, path)
    network = compiler.network
    layers = Counter(network.get_layer(index).type.name for index in range(network.num_layers))
    attention = attention_inputs(network)
    config = RtxCompiler(card).configure(compiler, PROFILES[path.stem])
    plan = compiler.build(config)
    said = {"layers": layers, "bytes": plan.nbytes, "profiles": config.num_optimization_profiles}
    said |= attention
    said |= {"tf32": config.get_flag(trt.BuilderFlag.TF32)}
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
