"""What schemathesis needs to know of speech: it is loaded by schemathesis.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

from gateway.http.upload_headers import BODY

RECORDING = Path(__file__).parents[1] / "data" / "young-man.flac"

for media_type in ("audio/flac", "video/x-matroska"):
    schemathesis.openapi.media_type(media_type, st.just(RECORDING.read_bytes()))
schemathesis.openapi.format("language", st.sampled_from(["auto", "en", "pt-BR", "german", "yue"]))
schemathesis.openapi.format("openai-model", st.sampled_from(["whisper-1", "gpt-4o-transcribe", "base"]))
schemathesis.openapi.format("whisper-model", st.sampled_from(["large-v3-turbo", "large-v3", "medium", "small", "base"]))
schemathesis.serializer.alias(BODY, "application/octet-stream")
schemathesis.openapi.media_type(BODY, st.binary(max_size=100))


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """False for a text to summarize that is meant to hold no letter and holds one: it knows few of them."""
    negative = case.meta is not None and case.meta.generation.mode is GenerationMode.NEGATIVE
    if not negative or case.operation.path != "/v1/summarize" or not isinstance(case.body, dict):
        return True
    segments = case.body.get("segments")
    texts = [piece.get("text") for piece in segments if isinstance(piece, dict)] if isinstance(segments, list) else []
    return not any(letter.isalnum() for text in texts if isinstance(text, str) for letter in text)
