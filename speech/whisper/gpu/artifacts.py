"""What an export for GPUs consists of: its files, and the largest passes that its plans are compiled for."""

from __future__ import annotations

from typing import Final

ENCODER_GRAPH: Final = "encoder.onnx"
DECODER_GRAPH: Final = "decoder.onnx"
STEP_GRAPH: Final = "step.onnx"
ENCODER_PLAN: Final = "encoder.plan"
DECODER_PLAN: Final = "decoder.plan"
STEP_PLAN: Final = "step.plan"

FRAME_BYTES: Final = 640  # of a frame's samples: 20 ms at 16 kHz, 16 bits each
CONTEXTS: Final = (768, 1500)  # frames that an encoder pass may have: live windows are short
ENCODE_ROWS: Final = (4, 16)  # windows up to which each profile of the encoder's plan is tuned
ENCODE_BATCH: Final = ENCODE_ROWS[-1]
USUAL_SLOTS: Final = 64  # rows of a step, unless more are asked for: they share what a step reads of the weights
MOST_SLOTS: Final = 256
PREFILL_ROWS: Final = 16
DRAFT_ROWS: Final = 64  # tokens of a draft that are verified at once, with the one that follows
STEP_ROWS: Final = (4, 16, USUAL_SLOTS, MOST_SLOTS)  # rows up to which each profile of a step's plan is tuned
