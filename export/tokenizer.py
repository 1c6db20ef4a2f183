"""The tokenizer that serving reads: special tokens, suppressed tokens and languages of one vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from speech.whisper.special_tokens import SpecialTokens

MULTILINGUAL_VOCABULARY = 51865  # with 99 languages; one more per further language
TIMESTAMPS = 1501  # <|0.00|> to <|30.00|>
FIXED_TOKENS = 8  # end, start, translate, transcribe, startoflm, startofprev, nospeech, notimestamps

# In the order of their tokens in OpenAI's vocabularies; large-v3 added the last.
LANGUAGES = (
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it",
    "id", "hi", "fi", "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur",
    "hr", "bg", "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn",
    "et", "mk", "br", "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw", "gl", "mr", "pa", "si",
    "km", "sn", "yo", "so", "af", "oc", "ka", "be", "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo",
    "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln", "ha",
    "ba", "jw", "su", "yue",
)  # fmt: skip

# What Whisper writes of sounds that nobody said: brackets, notes, markup. Single quotes and hyphens
# stay inside words, and are not written at a word's start.
NON_SPEECH = [*'"#()*+/:;<=>@[\\]^_`{|}~「」『』', "<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("']
NON_SPEECH += ["((", "))", "(((", ")))", "[[", "]]", "{{", "}}", "♪♪", "♪♪♪"]
MUSIC = "♩♪♫♬♭♮♯"


class InvalidTokenizer(ValueError):
    """The tokenizer does not fit the weights."""


def special_tokens(vocabulary: int) -> SpecialTokens:
    """Where the special tokens lie in a vocabulary of this size."""
    multilingual = vocabulary >= MULTILINGUAL_VOCABULARY
    end = vocabulary - TIMESTAMPS - FIXED_TOKENS - language_slots(vocabulary)
    after = end + 2 + language_slots(vocabulary)
    if end != (50257 if multilingual else 50256):
        raise InvalidTokenizer(f"a vocabulary of {vocabulary} tokens is none of Whisper's")
    return SpecialTokens(
        end_of_text=end,
        start_of_transcript=end + 1,
        first_language=end + 2,
        translate=after,
        transcribe=after + 1,
        start_of_prompt=after + 3,
        no_speech=after + 4,
        no_timestamps=after + 5,
        first_timestamp=after + 6,
    )


def language_slots(vocabulary: int) -> int:
    """Language tokens in the vocabulary; English-only ones carry the 99 without using them."""
    return max(99, vocabulary - MULTILINGUAL_VOCABULARY + 99)


def languages(vocabulary: int) -> tuple[str, ...]:
    """Codes in the order of their tokens, none for an English-only vocabulary."""
    if vocabulary < MULTILINGUAL_VOCABULARY:
        return ()
    return LANGUAGES[: language_slots(vocabulary)]


def suppressed_tokens(tokenizer: Tokenizer, vocabulary: int) -> tuple[int, ...]:
    """Tokens that a transcript never holds; end of text is not among them."""
    tokens = special_tokens(vocabulary)
    written = set(range(tokens.start_of_transcript, vocabulary))
    written |= {_encode(tokenizer, " -")[0], _encode(tokenizer, " '")[0]}
    for symbol in [*NON_SPEECH, *MUSIC]:
        for text in (symbol, f" {symbol}"):
            ids = _encode(tokenizer, text)
            if len(ids) == 1 or symbol in MUSIC:
                written.add(ids[0])
    return tuple(sorted(written))


def suppressed_first(tokenizer: Tokenizer, vocabulary: int) -> tuple[int, ...]:
    """Besides, right after a prompt: a lone blank, and an end without a word."""
    return (*_encode(tokenizer, " "), special_tokens(vocabulary).end_of_text)


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def write_tokenizer(source: Path, vocabulary: int, target: Path) -> Tokenizer:
    """Copies a tokenizer.json, with the special tokens put where a vocabulary of this size has them.

    source: tokenizer.json of any Whisper of the same kind (multilingual or English-only)
    raises: InvalidTokenizer
    """
    fields: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    text_tokens = fields["model"]["vocab"]
    end = special_tokens(vocabulary).end_of_text
    if len(text_tokens) not in (end, end + 1) or max(text_tokens.values()) > end:
        raise InvalidTokenizer(f"{source} has {len(text_tokens)} text tokens, the weights have {end}")
    fields["added_tokens"] = [_added(id, text) for id, text in enumerate(_special_texts(vocabulary), start=end)]
    fields["post_processor"] = None
    fields["truncation"] = fields["padding"] = None
    target.write_text(json.dumps(fields, ensure_ascii=False), encoding="utf-8")
    tokenizer: Tokenizer = Tokenizer.from_file(str(target))
    return tokenizer


def _special_texts(vocabulary: int) -> list[str]:
    names = LANGUAGES[: language_slots(vocabulary)]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    times = [f"{index * 0.02:.2f}" for index in range(TIMESTAMPS)]
    return [f"<|{text}|>" for text in ["endoftext", "startoftranscript", *names, *tasks, *times]]


def _added(id: int, text: str) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id, "content": text, **plain, "special": True}
