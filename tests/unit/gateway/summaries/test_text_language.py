from __future__ import annotations

import pytest

from gateway.summaries.language import FREQUENT, detect_language
from speech.languages import NAMES

TEXTS = {
    "en": "We talked about the price and we have to decide what this is for you.",
    "de": "Wir haben über den Preis gesprochen und das ist nicht so einfach, auch wenn es geht.",
    "fr": "Nous avons parlé du prix, mais ce n'est pas pour les clients qui sont dans la salle.",
    "es": "Hablamos de los precios, pero no está muy claro lo que se hace con las otras.",
    "id": "Kita akan buka toko besok, tapi izin yang itu belum ada dan saya tidak bisa pergi.",
    "pt": "Nós falamos do preço, mas não é muito para você e isso está na mesa com os outros.",
    "no": "Vi har snakket om prisen, men hva skal vi gjøre med noe som ikke er på plass?",
    "da": "Vi har talt om prisen, men hvad skal vi gøre med noget, som ikke er på plads?",
    "ru": "Мы говорили о том, что это не так просто, но всё было хорошо.",
    "uk": "Ми говорили про те, що це не так просто, але вже було добре, та і він є.",
    "ja": "今日は会議を始めます。値段について話します。",
    "zh": "今天我们开会讨论价格问题。",
    "ko": "오늘 회의를 시작하겠습니다.",
    "hi": "आज हम बैठक शुरू करते हैं।",
    "ar": "نحن نتحدث عن هذا الأمر في هذه الجلسة مع كل من كان هنا.",
    "th": "วันนี้เราเริ่มประชุม",
}


@pytest.mark.parametrize("code", TEXTS)
def test_the_language_of_a_text_is_found(code: str) -> None:
    assert detect_language(TEXTS[code]) == code


@pytest.mark.parametrize("text", ["", "...", "Hm.", "Okay okay okay okay okay okay", "12345"])
def test_a_doubtful_text_has_no_language(text: str) -> None:
    assert detect_language(text) is None


def test_every_language_that_can_be_found_has_a_name() -> None:
    assert set(FREQUENT) <= set(NAMES)
