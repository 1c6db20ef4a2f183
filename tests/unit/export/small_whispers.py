"""Shapes of small Whispers, and their random weights opened as published ones are."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from export.sources import LoadedWeights
from export.tokenizer import special_tokens
from export.weights import Weights
from speech.whisper.engine import Dimensions
from speech.whisper.manifest import Source


def dimensions(
    state: int, layers: tuple[int, int], vocabulary: int = 51865, mels: int = 80, context: int = 1500
) -> Dimensions:
    """layers: of the encoder, of the decoder"""
    return Dimensions(
        n_mels=mels,
        n_audio_ctx=context,
        n_audio_state=state,
        n_audio_head=state // 64,
        n_audio_layer=layers[0],
        n_vocab=vocabulary,
        n_text_ctx=448,
        n_text_state=state,
        n_text_head=state // 64,
        n_text_layer=layers[1],
    )


def opened(weights: Weights, folder: Path) -> LoadedWeights:
    """The weights as `load_weights` would give them, with a tokenizer of single bytes and unused tokens."""
    end = special_tokens(weights.dimensions.n_vocab).end_of_text
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {text: id for id, text in enumerate([*alphabet, *(f"unused{i}" for i in range(end - len(alphabet)))])}
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return LoadedWeights(weights, Source("random", "this test", "none", "0" * 64), path)
