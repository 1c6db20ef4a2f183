"""Whisper's tokens: text, special tokens and languages, read from the tokenizer.json beside the engines.

Whisper's vocabulary is byte-level: one character may be spread over several tokens, so text is put
together from bytes and never token by token.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import tokenizers

from speech.languages import ALIASES
from speech.tensors import Task
from speech.whisper.special_tokens import SpecialTokens, sot_sequence

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
# GPT-2's end-of-text. Whisper's multilingual vocabulary is one token longer, so there it comes later.
_ENGLISH_END = 50256


class Tokenizer:
    """Whisper's vocabulary, multilingual or English-only.

    raises: ValueError if the file is no Whisper tokenizer
    source: openai/whisper tokenizer.py (the meaning of the special tokens)
    """

    def __init__(self, vocabulary: tokenizers.Tokenizer) -> None:
        self._vocabulary = vocabulary
        self.special = self._read_special_tokens()
        self.multilingual = self.special.end_of_text > _ENGLISH_END
        self._language_codes = self._read_languages() if self.multilingual else ()

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """From `folder`/tokenizer.json. Raises ValueError if it is missing or no Whisper tokenizer."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ValueError(f"{path} is missing: it belongs beside the engines")
        return cls(tokenizers.Tokenizer.from_file(str(path)))

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO codes this model transcribes, in the order of their tokens."""
        return self._language_codes or ("en",)

    def sot_sequence(self, language: str, task: Task = Task.TRANSCRIBE) -> list[int]:
        """The start-of-transcript prompt. Raises UnknownLanguage, CannotTranslate for what this model does not have."""
        return sot_sequence(self.special, self._language_codes, language, task)

    def encode(self, text: str) -> list[int]:
        """Text → tokens; special tokens written out in the text are read as plain characters."""
        ids: list[int] = []
        for piece in re.split(r"(<\|)", text):  # split, so that no special token is recognised
            if piece:
                ids += self._vocabulary.encode(piece, add_special_tokens=False).ids
        return ids

    def decode(self, tokens: Sequence[int]) -> str:
        """Tokens → text; special tokens say nothing, broken UTF-8 becomes U+FFFD."""
        return b"".join(self.bytes_of(token) for token in tokens).decode("utf-8", errors="replace")

    def bytes_of(self, token: int) -> bytes:
        """UTF-8 that the token stands for, maybe a part of a character; b"" for a special token."""
        return self._bytes[token] if 0 <= token < len(self._bytes) else b""

    def characters(self, tokens: Sequence[int]) -> list[tuple[str, int]]:
        """The shortest runs of tokens that are whole characters: (text, number of tokens) of each."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        runs: list[tuple[str, int]] = []
        text, count = "", 0
        for token in tokens:
            text += decoder.decode(self.bytes_of(token))
            count += 1
            if not decoder.getstate()[0]:
                runs.append((text, count))
                text, count = "", 0
        if count:
            runs.append((text + decoder.decode(b"", final=True), count))
        return runs

    def _id(self, *names: str) -> int:
        for name in names:
            token = self._vocabulary.token_to_id(name)
            if token is not None:
                return int(token)
        raise ValueError(f"no Whisper tokenizer: it lacks {' or '.join(names)}")

    def _read_special_tokens(self) -> SpecialTokens:
        start = self._id("<|startoftranscript|>")
        return SpecialTokens(
            end_of_text=self._id("<|endoftext|>"),
            start_of_transcript=start,
            first_language=start + 1,
            translate=self._id("<|translate|>"),
            transcribe=self._id("<|transcribe|>"),
            start_of_prompt=self._id("<|startofprev|>"),
            no_speech=self._id("<|nospeech|>", "<|nocaptions|>"),
            no_timestamps=self._id("<|notimestamps|>"),
            first_timestamp=self._id("<|0.00|>"),
        )

    def _read_languages(self) -> tuple[str, ...]:
        found = []
        for token in range(self.special.first_language, self.special.no_timestamps):
            match = _LANGUAGE.fullmatch(self._vocabulary.id_to_token(token) or "")
            if not match:
                break
            found.append(ALIASES.get(match[1], match[1]))
        return tuple(found)

    @cached_property
    def _bytes(self) -> list[bytes]:
        from_character = {character: byte for byte, character in enumerate(_byte_characters())}
        table = [b""] * self.special.end_of_text
        for piece, token in self._vocabulary.get_vocab(with_added_tokens=False).items():
            if token < self.special.end_of_text:
                table[token] = bytes(from_character[character] for character in piece)
        return table


def _byte_characters() -> list[str]:
    """The printable character that byte-level BPE writes for each byte.

    source: Radford et al. 2019 (GPT-2): bytes that print stand for themselves, the others follow from U+0100.
    """
    printing = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printing else next(others)) for byte in range(256)]
