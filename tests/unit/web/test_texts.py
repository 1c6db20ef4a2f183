"""The page's texts: each language has each of them, with the same slots, and none that nobody shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "web" / "source"
LANGUAGES = sorted(path.stem for path in (SOURCE / "texts").glob("*.json"))


def texts(language: str) -> dict[str, str]:
    return dict(json.loads((SOURCE / "texts" / f"{language}.json").read_text(encoding="utf-8")))


def slots(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def test_the_languages_are_the_four_that_the_page_offers() -> None:
    assert LANGUAGES == ["de", "en", "es", "id"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_text_with_the_same_slots(language: str) -> None:
    english, own = texts("en"), texts(language)

    assert list(own) == list(english)
    assert {name for name in own if not own[name].strip()} == set()
    assert {name: slots(own[name]) for name in own} == {name: slots(english[name]) for name in english}


def test_every_text_is_shown_somewhere() -> None:
    written = (path for path in SOURCE.glob("*.ts*") if path.name != "api.d.ts")  # which is made, and not everywhere
    code = "".join(path.read_text(encoding="utf-8") for path in written)
    named = set(re.findall(r'"(\w+)"', code))

    assert set(texts("en")) - named - {"transcriptions", "minutes", "credits", "summaries"} == set()
