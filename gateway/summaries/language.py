"""In which language a text is written, from its letters and its most frequent words.

Small models drift into the language of their instruction unless the wanted one is named, so it has to be
known. Only what is certain is named: a doubtful text gives None.
"""

from __future__ import annotations

import re
from collections import Counter

SAMPLE = 20_000  # characters that are looked at
CLEAR = 0.5  # share of letters that decides a script
ENOUGH = 0.04  # share of the words that must be a language's frequent ones
AHEAD = 1.25  # how far the best language must be ahead of the second

# (first, last code point) of scripts that one language, or one by far the most, is written in.
SCRIPTS = {
    "el": ((0x370, 0x3FF),),
    "he": ((0x590, 0x5FF),),
    "hi": ((0x900, 0x97F),),
    "bn": ((0x980, 0x9FF),),
    "pa": ((0xA00, 0xA7F),),
    "gu": ((0xA80, 0xAFF),),
    "ta": ((0xB80, 0xBFF),),
    "te": ((0xC00, 0xC7F),),
    "kn": ((0xC80, 0xCFF),),
    "ml": ((0xD00, 0xD7F),),
    "si": ((0xD80, 0xDFF),),
    "th": ((0xE00, 0xE7F),),
    "lo": ((0xE80, 0xEFF),),
    "my": ((0x1000, 0x109F),),
    "ka": ((0x10A0, 0x10FF),),
    "am": ((0x1200, 0x137F),),
    "km": ((0x1780, 0x17FF),),
    "hy": ((0x530, 0x58F),),
    "ko": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
    "kana": ((0x3040, 0x30FF),),
    "han": ((0x3400, 0x9FFF),),
    "cyrillic": ((0x400, 0x4FF),),
    "ar": ((0x600, 0x6FF),),
}

# Frequent short words. One that several languages share counts for each of them in part.
FREQUENT = {
    "en": "the and of to is that it was for you this with we are have not be they what will would but from",
    "de": "der die und das ist nicht wir ich ein eine zu den mit auf für sich auch dem es dass haben wird bei",
    "fr": "le la les et des est que une dans pour pas nous vous qui sur avec ce au du il je mais sont cette",
    "es": "el la los que y en es una por con para las se no del lo como pero está más muy hay esto porque",
    "pt": "o os que e em é uma por com para não as se do da no na mas você isso está mais muito são ao",
    "it": "il che e di è una per con non la sono gli della del anche ma questo come più nel si abbiamo alla",
    "nl": "de het een en van is dat we niet ik op te zijn voor met je maar ook wat aan naar heeft dit deze",
    "sv": "och att det är en som på för inte jag vi av med har den till om så ett men kan ska var",
    "da": "og at det er en som på for ikke jeg vi af med har den til om så et men kan skal hvad noget",
    "no": "og at det er en som på for ikke jeg vi av med har den til om så et men kan skal hva noe",
    "fi": "ja on ei se että hän me ovat oli kun niin mutta tämä mitä kuin myös vain olen sitten nyt",
    "pl": "i w na nie się to że jest do z jak ale po co tak za od przez czy są tym dla jestem",
    "cs": "a se na je to že v do s jak ale pro jsem co tak by po za jsou který když jsme není",
    "sk": "a sa na je to že v do s ako ale pre som čo tak by po za sú ktorý keď sme nie",
    "hu": "a az és hogy nem is egy ez van de meg azt csak már kell mint még volt ha lesz",
    "ro": "și în de la nu o este că cu pe un din să mai pentru sunt care ce dar această avem",
    "tr": "ve bir bu için da de çok ne var ama değil daha gibi olarak olan ben biz şey kadar sonra",
    "id": "yang dan di ini itu tidak untuk dengan kita saya dari juga sudah bisa jadi karena tapi kalau soal baik",
    "ms": "yang dan di ini itu tidak untuk dengan kita saya dari juga boleh ialah kerana bahawa esok awak nak perlu",
    "tl": "ang ng sa na at mga ay hindi ko ito po namin kami para si niya lang siya may natin",
    "vi": "là và của có không được cho này người một những trong với các đã chúng tôi để khi rất",
    "sw": "na ya wa kwa ni katika za la kuwa hii sana lakini watu yake hiyo kama tu cha sisi hapa",
    "ca": "el la que i de és una per amb no els les del però més molt hem aquest està són",
    "ru": "и в не на что я с это как мы он но все так его за по у было только",
    "uk": "і в не на що я з це як ми він але та так його за по у є було",
    "bg": "и в не на че да се е за от с като ще това но ние са по има към",
    "ar": "في من على أن هذا هذه إلى ما لا التي الذي عن مع كان هو نحن لم قد كل بعد",
    "fa": "در از به که این را با است برای آن می ما های شد یک هم تا بر خود باید",
    "ur": "کے کی میں ہے اور سے کا کو نے پر ہیں کہ یہ اس بھی ہم نہیں تھا کر وہ",
}

_SHARED = Counter(word for words in FREQUENT.values() for word in words.split())
_LETTERS = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of the language of a text, or None where it is not certain."""
    sample = text[:SAMPLE].lower()
    words = _LETTERS.findall(sample)
    letters = "".join(words)
    if not letters:
        return None
    script = _script(letters)
    if script == "han":
        return "ja" if _share(letters, SCRIPTS["kana"]) > 0.05 else "zh"
    if script == "kana":
        return "ja"
    if script in (None, "cyrillic", "arabic"):
        return _by_words(words)
    return script


def _script(letters: str) -> str | None:
    shares = {name: _share(letters, ranges) for name, ranges in SCRIPTS.items()}
    best = max(shares, key=lambda name: shares[name])
    if shares["kana"] + shares["han"] > CLEAR:
        return "kana" if shares["kana"] > 0.05 else "han"
    return best if shares[best] > CLEAR else None


def _share(letters: str, ranges: tuple[tuple[int, int], ...]) -> float:
    inside = sum(any(first <= ord(letter) <= last for first, last in ranges) for letter in letters)
    return inside / len(letters)


def _by_words(words: list[str]) -> str | None:
    counts = Counter(words)
    scores = {
        language: sum(counts[word] / _SHARED[word] for word in frequent.split()) / len(words)
        for language, frequent in FREQUENT.items()
    }
    first, second = sorted(scores, key=lambda language: -scores[language])[:2]
    if len(words) < 5 or scores[first] < ENOUGH or scores[first] < AHEAD * scores[second]:
        return None
    return first
