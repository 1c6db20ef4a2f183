from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.summaries.splitting import LONGEST_SENTENCE, sentences, split

BUDGET = 60  # words


async def count_words(text: str) -> int:
    """One token a word, or a token for three letters where there are no spaces."""
    return max(len(text.split()), len(text) // 6)


async def test_a_text_that_fits_stays_whole() -> None:
    assert await split("One. Two. Three.", BUDGET, count_words) == ["One. Two. Three."]


@given(words=st.lists(st.sampled_from(["yes", "no.", "maybe?", "Monday,", "good!", "well…"]), min_size=1, max_size=900))
async def test_pieces_fit_and_nothing_is_lost(words: list[str]) -> None:
    text = " ".join(words)

    pieces = await split(text, BUDGET, count_words)

    assert all([await count_words(piece) <= BUDGET for piece in pieces])
    assert not Counter(words) - Counter(" ".join(pieces).split())


async def test_pieces_are_cut_at_sentence_ends() -> None:
    text = " ".join(f"Number {n} was said by somebody at the table." for n in range(60))

    pieces = await split(text, BUDGET, count_words)

    assert len(pieces) > 5
    assert all(piece.endswith(".") for piece in pieces)


async def test_a_piece_begins_with_the_last_sentence_of_the_one_before() -> None:
    text = " ".join(f"Number {n} was said by somebody at the table." for n in range(60))

    first, second, *_ = await split(text, BUDGET, count_words)

    assert sentences(second)[0] == sentences(first)[-1]


async def test_pieces_are_about_equally_long() -> None:
    text = " ".join(f"Number {n} was said by somebody at the table." for n in range(61))

    lengths = [len(piece) for piece in await split(text, BUDGET, count_words)]

    assert min(lengths) > max(lengths) / 3


async def test_text_without_full_stops_is_cut_between_words() -> None:
    text = " ".join(f"word{n}" for n in range(2000))

    pieces = await split(text, BUDGET, count_words)

    assert set(" ".join(pieces).split()) == set(text.split())


async def test_text_without_spaces_is_cut_too() -> None:
    text = "今日は会議を始めます。" * 200 + "あ" * 5000

    pieces = await split(text, BUDGET, count_words)

    assert all([await count_words(piece) <= BUDGET for piece in pieces])


def test_a_number_and_an_abbreviation_end_no_sentence() -> None:
    assert sentences("It costs 3.50 euros. The U.S.A. pays.") == ["It costs 3.50 euros.", "The U.S.A.", "pays."]


def test_a_sentence_of_another_script_ends_without_a_space() -> None:
    assert sentences("你好。再见！") == ["你好。", "再见！"]


def test_a_sentence_is_never_longer_than_the_bound() -> None:
    assert max(map(len, sentences("a" * (3 * LONGEST_SENTENCE)))) == LONGEST_SENTENCE
