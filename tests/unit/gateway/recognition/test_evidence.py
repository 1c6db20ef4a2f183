from dataclasses import replace

import numpy as np
import pytest

from gateway.recognition.evidence import is_believable, off_holes, overlooked, without_echo, without_inventions
from gateway.recognition.inventions import is_known_invention
from gateway.recognition.windows import WindowTranscript
from speech.activity import CHUNK_SECONDS, Region
from speech.audio import SAMPLE_RATE
from speech.transcript import WindowResult, Word
from speech.windows import Window

SPEECH = np.ones(round(10 / CHUNK_SECONDS), dtype=np.float32)


def said(text: str, start: float, end: float, confidence: float = 0.9) -> Word:
    return Word(text, start, end, confidence)


def window(attention: list[float], start: float = 2.0) -> WindowTranscript:
    samples = round(start * SAMPLE_RATE), round((start + len(attention) / 10) * SAMPLE_RATE)
    result = WindowResult((), "", "en", 1.0, -0.1, 0.0, attention=tuple(attention))
    return WindowTranscript(Window(*samples, ()), result, ())


def test_speech_that_no_attention_looked_at_is_overlooked() -> None:
    heard = window([0.4] * 20 + [0.01] * 8 + [0.4] * 12)

    (hole,) = overlooked(heard, SPEECH)

    assert hole.start == pytest.approx(4.0, abs=0.11)
    assert hole.end == pytest.approx(4.8, abs=0.11)


def test_a_pause_and_a_long_vowel_are_not() -> None:
    pause = SPEECH.copy()
    pause[round(4.0 / CHUNK_SECONDS) : round(4.8 / CHUNK_SECONDS)] = 0.1

    assert overlooked(window([0.4] * 20 + [0.01] * 8 + [0.4] * 12), pause) == []
    assert overlooked(window([0.4] * 20 + [0.01] * 4 + [0.4] * 12), SPEECH) == []
    assert overlooked(window([]), SPEECH) == []


LAST_WORD = said("participants.", 4.9, 6.0)


@pytest.mark.parametrize(
    ("words", "ends", "holes"),
    [
        ((LAST_WORD,), 6.0, 0),  # drawn out before a pause
        ((LAST_WORD,), 8.0, 1),  # somebody speaks on
        ((replace(LAST_WORD, start=4.2),), 6.0, 1),  # longer than the word can be
        ((replace(LAST_WORD, text="so"),), 6.0, 1),
        ((replace(LAST_WORD, confidence=0.3),), 6.0, 1),
        ((LAST_WORD, said("two", 5.7, 6.0)), 6.0, 1),
        ((), 6.0, 1),
    ],
)
def test_the_end_of_a_last_word_is_not_overlooked(words: tuple[Word, ...], ends: float, holes: int) -> None:
    heard = window([0.4] * 33 + [0.01] * 7 + [0.4] * 20)
    spoken = SPEECH.copy()
    if ends == 6.0:
        spoken[round(6.0 / CHUNK_SECONDS) : round(7.0 / CHUNK_SECONDS)] = 0.0
    heard = replace(heard, words=words, window=replace(heard.window, regions=(Region(2.0, ends),)))

    assert len(overlooked(heard, spoken)) == holes


def test_a_word_stretched_over_a_hole_stands_beside_it() -> None:
    before, over, inside = off_holes(
        [said("book,", 1.8, 2.4), said("the", 3.0, 4.6), said("of", 3.4, 3.6)], [Region(3.2, 4.0)]
    )

    assert (before.start, before.end) == (1.8, 2.4)
    assert (over.start, over.end) == (4.0, 4.6)
    assert (inside.start, inside.end) == (3.4, 3.6)


def test_where_a_sentence_begins_over_a_hole_it_begins_after_it() -> None:
    _, begins = off_holes([said("outside.", 3.0, 4.2), said("Snow", 9.4, 10.1)], [Region(9.8, 12.4)])

    assert begins.start == 12.4
    assert begins.end > 12.6


@pytest.mark.parametrize(
    "text",
    [
        "you",
        "Thank you for watching!",
        "Untertitel der Amara.org-Community",
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Продолжение следует...",
        "ご視聴ありがとうございました。",
        "请不吝点赞 订阅 转发",
        "ترجمة نانسي قنقر",
        "시청해주셔서 감사합니다.",
        "धन्यवाद",
        "ขอบคุณที่รับชมครับ",
    ],
)
def test_inventions_are_known_in_every_script(text: str) -> None:
    assert is_known_invention(text)


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for the book.",
        "Are you there?",
        "The film that we saw had English subtitles, which were quite bad.",
        "",
    ],
)
def test_ordinary_sentences_are_none(text: str) -> None:
    assert not is_known_invention(text)


def test_a_known_invention_needs_to_be_heard_well() -> None:
    story = [said("He", 0.0, 0.2), said("left.", 0.2, 0.6)]
    unsure = [said("Thank", 2.0, 2.2, 0.5), said("you.", 2.2, 2.5, 0.5)]
    sure = [said("Thank", 2.0, 2.2), said("you.", 2.2, 2.5)]

    assert [word.text for word in without_inventions([*story, *unsure], SPEECH)] == ["He", "left."]
    assert len(without_inventions([*story, *sure], SPEECH)) == 4
    assert len(without_inventions([*story, *sure], np.zeros_like(SPEECH))) == 2


def test_what_a_speaker_repeats_stays_and_what_has_no_length_goes() -> None:
    first = [said("seven", 0.0, 0.4), said("clubs.", 0.4, 0.9)]
    again = [said("Seven", 2.0, 2.4), said("clubs.", 2.4, 2.9)]
    squeezed = [said("Seven", 2.0, 2.0), said("clubs.", 2.0, 2.0)]

    assert len(without_inventions([*first, *again], SPEECH)) == 4
    assert len(without_inventions([*first, *squeezed], SPEECH)) == 2


def test_a_word_that_the_end_cuts_in_two_is_written_once() -> None:
    cut = [said("his", 2.3, 2.4), said("fearsome", 2.4, 2.9), said("fearsome", 2.9, 3.06, 0.3)]
    again = said("fears.", 3.06, 3.06, 0.1)

    assert [word.text for word in without_echo([*cut[:2], replace(cut[2], end=3.02), again])] == ["his", "fearsome"]
    assert len(without_echo([*cut[:2], said("fearsome", 2.9, 3.06, 0.9)])) == 3  # said twice
    assert len(without_echo([said("seven", 0.0, 0.4), said("seven", 0.4, 0.8, 0.3)])) == 2
    assert without_echo([]) == ()


def test_words_for_a_hole_need_more_where_they_were_said_elsewhere() -> None:
    beside = [said("Chapter", 0.0, 0.5), said("16.", 0.5, 1.0), said("Shortage", 1.5, 2.0)]

    def found(*texts: str, confidence: float) -> list[Word]:
        return [said(text, 5.0 + at, 5.5 + at, confidence) for at, text in enumerate(texts)]

    assert is_believable(found("five", "five", confidence=0.5), beside)
    assert not is_believable(found("five", "five", confidence=0.3), beside)
    assert not is_believable(found("CHAPTER", "16", confidence=0.74), beside)
    assert is_believable(found("Chapter", "16", confidence=0.9), beside)
    assert not is_believable(found("Ann", "Kowalski", confidence=0.7), beside, prompt="Ann Kowalski, Triton")
    assert not is_believable([], beside)
    shown = [Word("five", 5.0, 5.5, confidence=0.9, uncalibrated=0.3)]  # what people see decides nothing
    assert not is_believable(shown, beside)
