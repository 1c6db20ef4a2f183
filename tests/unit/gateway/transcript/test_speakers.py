from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.transcript.segments import segment
from gateway.transcript.speakers import assign, with_speakers
from speech.transcript import Transcript, Turn, Word


def words(text: str, start: float = 0.0, step: float = 0.4) -> list[Word]:
    return [Word(word, start + i * step, start + (i + 1) * step, 0.9) for i, word in enumerate(text.split())]


def speakers(given: list[Word], turns: list[Turn]) -> list[str | None]:
    return [word.speaker for word in assign(given, turns)]


def test_words_take_the_speaker_whose_turn_they_are_in() -> None:
    turns = [Turn("b", 0, 0.8), Turn("a", 0.8, 2)]

    assert speakers(words("yes indeed. but no no"), turns) == ["Speaker 1"] * 2 + ["Speaker 2"] * 3


def test_a_word_outside_every_turn_goes_to_the_nearest() -> None:
    turns = [Turn("a", 0, 1.2), Turn("b", 20, 21.2)]

    assert speakers(words("a b c") + words("d", 18.5) + words("e f g", 20), turns)[3] == "Speaker 2"


def test_no_word_flips_inside_a_phrase() -> None:
    turns = [Turn("a", 0, 0.8), Turn("b", 0.8, 1.2), Turn("a", 1.2, 3)]

    assert set(speakers(words("one two three four five six"), turns)) == {"Speaker 1"}


def test_a_short_sentence_of_its_own_keeps_its_speaker() -> None:
    turns = [Turn("a", 0, 0.8), Turn("b", 0.8, 1.2), Turn("a", 1.2, 2.4)]

    assert speakers(words("are you? Yes. I see that."), turns)[2] == "Speaker 2"


def test_words_without_turns_are_one_speakers() -> None:
    assert speakers(words("hello there"), []) == ["Speaker 1", "Speaker 1"]


def test_segments_end_where_the_speaker_changes_and_only_speakers_with_words_are_listed() -> None:
    said = words("first part then second part")
    turns = [Turn("x", 0, 0.8), Turn("y", 0.8, 2.0), Turn("silent", 30, 31)]
    transcript = Transcript(segment(said, "en"), "en", 40.0)

    result = with_speakers(transcript, turns)

    assert [(piece.speaker, piece.text) for piece in result.segments] == [
        ("Speaker 1", "first part"),
        ("Speaker 2", "then second part"),
    ]
    assert result.speakers == ("Speaker 1", "Speaker 2")


spans = st.tuples(st.floats(0, 50), st.floats(0.0, 5)).map(lambda span: (span[0], span[0] + span[1]))


@given(
    st.lists(spans, max_size=12).map(sorted),
    st.lists(st.tuples(st.sampled_from("abc"), spans), max_size=10),
)
def test_every_word_gets_one_of_the_speakers(
    said: list[tuple[float, float]], spoken: list[tuple[str, tuple[float, float]]]
) -> None:
    given = [Word("w", start, end, 1.0) for start, end in said]

    found = assign(given, [Turn(name, start, end) for name, (start, end) in spoken])

    assert [(word.start, word.end) for word in found] == said
    assert all(word.speaker in ("Speaker 1", "Speaker 2", "Speaker 3") for word in found)
    if found:
        assert found[0].speaker == "Speaker 1"


def test_who_is_known_keeps_the_name_and_the_others_are_numbered() -> None:
    words = [Word(text, at, at + 0.5, 1.0) for at, text in enumerate(["One.", "Two.", "Three.", "Four."])]
    turns = [
        Turn("Speaker 1", 0.0, 0.9),
        Turn("Ann", 1.0, 1.9, known=True),
        Turn("Speaker 3", 2.0, 2.9),
        Turn("Ann", 3.0, 3.9, known=True),
    ]

    assert [word.speaker for word in assign(words, turns)] == ["Speaker 1", "Ann", "Speaker 2", "Ann"]
