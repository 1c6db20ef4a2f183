import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transcript.segments import LONGEST, segment
from gateway.transcript.sentences import ends_sentence
from speech.transcript import Word


def spoken(text: str, pace: float = 0.4) -> list[Word]:
    return [Word(each, at * pace, at * pace + 0.3, 0.9) for at, each in enumerate(text.split())]


def test_a_segment_ends_with_its_sentence() -> None:
    pieces = segment(spoken("Is that so? It is. Well then"), "en")
    assert [piece.text for piece in pieces] == ["Is that so?", "It is.", "Well then"]


@pytest.mark.parametrize("text", ["Mr.", "J.", "e.g.", "3."])
def test_an_abbreviation_ends_nothing(text: str) -> None:
    assert not ends_sentence(text)


@pytest.mark.parametrize("text", ["over.", "so?", "“Stop!”", "終わり。", "है।"])
def test_a_sentence_ends_in_every_script(text: str) -> None:
    assert ends_sentence(text)


def test_a_pause_parts_words() -> None:
    pieces = segment([Word("one", 0, 1, 1), Word("two", 2.5, 3, 1)], "en")
    assert [piece.text for piece in pieces] == ["one", "two"]


def test_another_speaker_begins_a_segment() -> None:
    pieces = segment([Word("yes", 0, 1, 1, "Speaker 1"), Word("no", 1, 2, 1, "Speaker 2")], "en")
    assert [piece.speaker for piece in pieces] == ["Speaker 1", "Speaker 2"]


def test_an_endless_sentence_is_cut_after_a_clause() -> None:
    words = spoken("and so on " * 12 + "there, " + "and so on " * 12)
    first, second = segment(words, "en")
    assert first.text.endswith("there,")
    assert second.end - second.start < LONGEST


def test_chinese_has_no_spaces_but_keeps_foreign_words_apart() -> None:
    (piece,) = segment(spoken("我 用 open source 软件"), "zh")
    assert piece.text == "我用open source软件"


@given(st.lists(st.sampled_from(["a", "b.", "c,", "d?"]), max_size=80))
def test_segments_hold_every_word_once(texts: list[str]) -> None:
    words = spoken(" ".join(texts))
    assert [word for piece in segment(words, "en") for word in piece.words] == words
