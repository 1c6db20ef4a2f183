"""The published sizes of Whisper, known without their weights."""

from __future__ import annotations

from export.sources import CHECKPOINTS
from speech.whisper.engine import Dimensions
from speech.whisper.gpu.memory_plan import ModelSize

# Width, layers of the encoder, layers of the decoder.
PUBLISHED = {
    "base": (512, 6, 6),
    "small": (768, 12, 12),
    "medium": (1024, 24, 24),
    "large-v3": (1280, 32, 32),
    "large-v3-turbo": (1280, 32, 4),
}


def published(model: str) -> ModelSize:
    width, encoder, decoder = PUBLISHED[model]
    large = width == 1280
    dimensions = Dimensions(
        n_mels=128 if large else 80,
        n_audio_ctx=1500,
        n_audio_state=width,
        n_audio_head=width // 64,
        n_audio_layer=encoder,
        n_vocab=51866 if large else 51865,
        n_text_ctx=448,
        n_text_state=width,
        n_text_head=width // 64,
        n_text_layer=decoder,
    )
    return ModelSize(dimensions, len(CHECKPOINTS[model].alignment_heads))
