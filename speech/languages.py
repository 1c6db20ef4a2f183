"""Whisper's languages: the codes that the API speaks and their English names, in one place.

Codes are ISO 639-1 where there is one; Hawaiian and Cantonese have only three letters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

NAMES: Final[dict[str, str]] = {
    "af": "afrikaans", "am": "amharic", "ar": "arabic", "as": "assamese", "az": "azerbaijani",
    "ba": "bashkir", "be": "belarusian", "bg": "bulgarian", "bn": "bengali", "bo": "tibetan",
    "br": "breton", "bs": "bosnian", "ca": "catalan", "cs": "czech", "cy": "welsh",
    "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fo": "faroese",
    "fr": "french", "gl": "galician", "gu": "gujarati", "ha": "hausa", "haw": "hawaiian",
    "he": "hebrew", "hi": "hindi", "hr": "croatian", "ht": "haitian creole", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "is": "icelandic", "it": "italian", "ja": "japanese",
    "jv": "javanese", "ka": "georgian", "kk": "kazakh", "km": "khmer", "kn": "kannada",
    "ko": "korean", "la": "latin", "lb": "luxembourgish", "ln": "lingala", "lo": "lao",
    "lt": "lithuanian", "lv": "latvian", "mg": "malagasy", "mi": "maori", "mk": "macedonian",
    "ml": "malayalam", "mn": "mongolian", "mr": "marathi", "ms": "malay", "mt": "maltese",
    "my": "myanmar", "ne": "nepali", "nl": "dutch", "nn": "nynorsk", "no": "norwegian",
    "oc": "occitan", "pa": "punjabi", "pl": "polish", "ps": "pashto", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sa": "sanskrit", "sd": "sindhi", "si": "sinhala",
    "sk": "slovak", "sl": "slovenian", "sn": "shona", "so": "somali", "sq": "albanian",
    "sr": "serbian", "su": "sundanese", "sv": "swedish", "sw": "swahili", "ta": "tamil",
    "te": "telugu", "tg": "tajik", "th": "thai", "tk": "turkmen", "tl": "tagalog",
    "tr": "turkish", "tt": "tatar", "uk": "ukrainian", "ur": "urdu", "uz": "uzbek",
    "vi": "vietnamese", "yi": "yiddish", "yo": "yoruba", "yue": "cantonese", "zh": "chinese",
}  # fmt: skip

# Retired or foreign codes that clients and older vocabularies still write.
ALIASES: Final[dict[str, str]] = {
    "iw": "he", "jw": "jv", "in": "id", "ji": "yi", "nb": "no", "fil": "tl", "cmn": "zh",
}  # fmt: skip


class Script(StrEnum):
    """Of written Chinese."""

    SIMPLIFIED = "simplified"
    TRADITIONAL = "traditional"


SPACELESS: Final = frozenset({"zh", "ja", "th", "lo", "my", "yue", "km", "bo"})  # written without spaces between words

# How likely a language is before anything was heard, in three steps. A model that was trained on 99 languages takes
# a short or unclear clip for one that hardly anybody uploads; what is heard clearly outweighs these.
COMMON: Final = frozenset(
    {"ar", "cs", "da", "de", "el", "es", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "ko", "nl", "no", "pl", "pt"}
    | {"ro", "ru", "sv", "th", "tr", "uk", "vi", "zh"}
)
_MOST_COMMON_WEIGHT, _COMMON_WEIGHT, _RARE_WEIGHT = 1.0, 0.25, 0.03

# Other English names that Whisper's own vocabulary accepts.
_OTHER_NAMES: Final[dict[str, str]] = {
    "burmese": "my", "castilian": "es", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb", "mandarin": "zh",
    "moldavian": "ro", "moldovan": "ro", "panjabi": "pa", "pushto": "ps", "sinhalese": "si", "valencian": "ca",
}  # fmt: skip
_SCRIPT_TAGS: Final[dict[str, Script]] = {
    "hans": Script.SIMPLIFIED, "cn": Script.SIMPLIFIED, "sg": Script.SIMPLIFIED,
    "hant": Script.TRADITIONAL, "tw": Script.TRADITIONAL, "hk": Script.TRADITIONAL, "mo": Script.TRADITIONAL,
}  # fmt: skip

_BY_NAME: Final = {name: code for code, name in NAMES.items()} | _OTHER_NAMES


def prior(language: str) -> float:
    """Weight of a language before anything was heard, in (0, 1]."""
    return _MOST_COMMON_WEIGHT if language == "en" else _COMMON_WEIGHT if language in COMMON else _RARE_WEIGHT


def weigh(probabilities: Mapping[str, float], allowed: Collection[str] = ()) -> dict[str, float]:
    """Probabilities after what was heard and before it, of the allowed languages (none named: of all); sum 1.

    raises: ValueError if no language is allowed that the model has
    """
    weights = {
        language: max(share, 1e-6) * prior(language)
        for language, share in probabilities.items()
        if not allowed or language in allowed
    }
    total = sum(weights.values())
    if not total:
        raise ValueError("none of the allowed languages is one of the model's")
    return {language: weight / total for language, weight in weights.items()}


def find(text: str) -> str | None:
    """The code of a language given as a code, an alias, a regional tag (pt-BR) or an English name."""
    asked = text.strip().lower()
    code = ALIASES.get(asked, asked)
    if code in NAMES:
        return code
    if asked in _BY_NAME:
        return _BY_NAME[asked]
    primary = asked.replace("_", "-").split("-")[0]
    primary = ALIASES.get(primary, primary)
    return primary if primary != asked and primary in NAMES else None


def find_script(text: str) -> Script | None:
    """The script that a tag of Chinese asks for (zh-TW, zh_Hans); None for any other text."""
    primary, *tags = text.strip().lower().replace("_", "-").split("-")
    if ALIASES.get(primary, primary) not in ("zh", "yue"):
        return None
    return next((_SCRIPT_TAGS[tag] for tag in tags if tag in _SCRIPT_TAGS), None)
