"""What an export for GPUs consists of: its files, and the largest passes that its plans are compiled for."""

from __future__ import annotations

from typing import Final

ENCODER_GRAPH: Final = "encoder.onnx"
DECODER_GRAPH: Final = "decoder.onnx"
STEP_GRAPH: Final = "step.onnx"
ENCODER_PLAN: Final = "encoder.plan"
DECODER_PLAN: Final = "decoder.plan"
STEP_PLAN: Final = "step.plan"

ENCODE_BATCH: Final = 16  # windows of an encoder pass
MOST_SLOTS: Final = 64  # rows of a step
PREFILL_ROWS: Final = 16
STEP_ROWS: Final = (4, 16, MOST_SLOTS)  # rows up to which each profile of a step's plan is tuned
