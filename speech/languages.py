"""Whisper's languages: the codes that the API speaks and their English names, in one place.

Codes are ISO 639-1 where there is one; Hawaiian and Cantonese have only three letters.
"""

from __future__ import annotations

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

SPACELESS: Final = frozenset({"zh", "ja", "th", "lo", "my", "yue", "km", "bo"})  # written without spaces between words

_BY_NAME: Final = {name: code for code, name in NAMES.items()}


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
