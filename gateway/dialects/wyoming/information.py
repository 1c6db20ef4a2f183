"""What the service says of itself when it is asked to describe itself."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from gateway.dialects.wyoming.framing import WyomingEvent
from gateway.models import Model, Models
from speech.languages import NAMES

ATTRIBUTION = {"name": "OpenAI Whisper", "url": "https://github.com/openai/whisper"}
OTHER_SERVICES = ("tts", "handle", "intent", "wake", "mic", "snd")


def information(models: Models) -> WyomingEvent:
    version = metadata.version("stt")
    program = {
        "name": "stt",
        "description": "Speech to text on your own machine",
        "attribution": ATTRIBUTION,
        "installed": True,
        "version": version,
        "models": [_model(model, version) for model in models.deployed],
        "supports_transcript_streaming": True,
        "requires_external_vad": False,
        "prefers_auto_gain_enabled": False,
        "prefers_noise_reduction_enabled": False,
    }
    return WyomingEvent("info", {"asr": [program], **{name: [] for name in OTHER_SERVICES}})


def _model(model: Model, version: str) -> dict[str, Any]:
    return {
        "name": model.id,
        "description": model.name,
        "attribution": ATTRIBUTION,
        "installed": True,
        "version": version,
        "languages": sorted(filter(model.knows, NAMES)),
    }
