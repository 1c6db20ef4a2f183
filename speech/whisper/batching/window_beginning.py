"""What stands before a window's text, and what its text is expected to be: tokens of the prompt and of the draft."""

from __future__ import annotations

from speech.languages import SPACELESS
from speech.whisper.batching.rules import previous_tokens
from speech.whisper.batching.sequence import Sequence
from speech.whisper.engine import Engine
from speech.whisper.tokenizer import Tokenizer


class WindowBeginning:
    def __init__(self, engine: Engine, tokenizer: Tokenizer) -> None:
        self._engine = engine
        self._tokenizer = tokenizer

    def prompt(self, sequence: Sequence) -> list[int]:
        """Tokens that the decoder reads before it writes."""
        before: list[int] = []
        if sequence.attempt.prompted:
            context = self._engine.dimensions.n_text_ctx
            before = previous_tokens(self._tokenizer, sequence.request.prompt, context)
        return [*before, *self._tokenizer.sot_sequence(sequence.language, sequence.request.task)]

    def draft(self, sequence: Sequence, room: int) -> list[int]:
        """Tokens of the text that the request foretells, where the attempt is greedy.

        room: for so many
        """
        text = sequence.request.draft.strip()
        if not text or sequence.attempt.temperature:
            return []
        space = "" if sequence.language in SPACELESS else " "
        return self._tokenizer.encode(space + text)[: max(room, 0)]
