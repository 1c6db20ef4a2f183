from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers

from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.speech_fakes import byte_tokenizer_json


@pytest.fixture(scope="session")
def multilingual() -> Tokenizer:
    """A Whisper tokenizer with the real special tokens, whose text tokens are single bytes."""
    return Tokenizer(tokenizers.Tokenizer.from_str(byte_tokenizer_json(text_tokens=50257)))


@pytest.fixture(scope="session")
def english_only() -> Tokenizer:
    return Tokenizer(tokenizers.Tokenizer.from_str(byte_tokenizer_json(text_tokens=50256)))


@pytest.fixture
def tokenizer_folder(tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_text(byte_tokenizer_json(text_tokens=50257), encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tokenizer.json").write_text(
        json.dumps(json.loads(tokenizers.Tokenizer(tokenizers.models.BPE()).to_str())), encoding="utf-8"
    )
    return tmp_path
