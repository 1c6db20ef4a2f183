"""What an export for GPUs consists of: its files, and the largest passes that its plans are compiled for."""

from __future__ import annotations

from typing import Final

ENCODER_GRAPH: Final = "encoder.onnx"
DECODER_GRAPH: Final = "decoder.onnx"
ENCODER_PLAN: Final = "encoder.plan"
DECODER_PLAN: Final = "decoder.plan"

ENCODE_BATCH: Final = 16  # windows of an encoder pass
MOST_SLOTS: Final = 64  # rows of a step
PREFILL_ROWS: Final = 16
ONE_TOKEN, PREFILL = 0, 1  # profiles of the decoder's plan: a step; prompts
