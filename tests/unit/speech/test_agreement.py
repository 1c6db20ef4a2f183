from hypothesis import given
from hypothesis import strategies as st

from speech.agreement import Agreement, common_prefix, prefix_distances, split
from speech.transcript import Word

texts = st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=12)


def words(text: str, start: float = 0.0) -> list[Word]:
    return [Word(t, start + 0.5 * i, start + 0.5 * i + 0.4, 0.9) for i, t in enumerate(text.split())]


def test_what_two_hypotheses_agree_on_is_committed() -> None:
    agreement = Agreement()
    assert agreement.update(words("the quick brow")) == ()
    assert [w.text for w in agreement.update(words("The quick, brown fox"))] == ["The", "quick,"]
    assert [w.text for w in agreement.provisional] == ["brown", "fox"]


def test_committed_words_are_not_committed_twice_when_the_window_still_holds_them() -> None:
    agreement = Agreement()
    agreement.update(words("one two three"))
    agreement.update(words("one two three four"))
    newly = agreement.update(words("one two three four five"))
    assert [w.text for w in newly] == ["four"]


def test_a_committed_word_heard_differently_later_is_neither_doubled_nor_lost() -> None:
    agreement = Agreement()
    agreement.update(words("he sailed to france and"))
    agreement.update(words("he sailed to france and"))
    rest = agreement.finish(words("he sails to france and came back"))
    assert [w.text for w in agreement.committed] == ["he", "sailed", "to", "france", "and", "came", "back"]
    assert [w.text for w in rest] == ["came", "back"]


def test_repeated_words_are_told_apart_by_time() -> None:
    committed = words("no no")
    assert split(words("no no no no"), committed) == 2


def test_a_word_that_a_decoding_passes_over_does_not_take_the_next_one_with_it() -> None:
    long, short = Word("gathering", 4.0, 4.8, 0.9), Word("absolute", 4.9, 5.2, 0.9)
    assert split([short], [long]) == 0
    assert split([short, Word("of", 5.3, 5.4, 0.9)], [Word("the", 3.5, 3.9, 0.9), long]) == 0


def test_words_whose_audio_left_the_window_are_forgotten() -> None:
    agreement = Agreement()
    agreement.update(words("one two three four"))
    agreement.update(words("one two three four"))
    agreement.forget_before(1.0)
    rest = agreement.finish(words("three four five", start=1.0))
    assert [w.text for w in rest] == ["five"]


@given(texts)
def test_the_same_hypothesis_twice_commits_it_whole(sample: list[str]) -> None:
    hypothesis = words(" ".join(sample))
    agreement = Agreement()
    agreement.update(hypothesis)
    assert list(agreement.update(hypothesis)) == hypothesis
    assert agreement.provisional == ()


@given(st.lists(texts, min_size=1, max_size=6))
def test_nothing_committed_ever_changes(hypotheses: list[list[str]]) -> None:
    agreement = Agreement()
    before: list[Word] = []
    for sample in hypotheses:
        agreement.update(words(" ".join(sample)))
        assert agreement.committed[: len(before)] == before
        before = list(agreement.committed)


@given(texts, texts)
def test_prefix_distances_end_with_the_whole_distance(one: list[str], other: list[str]) -> None:
    distances = prefix_distances(one, other)
    assert len(distances) == len(other) + 1
    assert distances[0] == len(one)
    assert distances[-1] == prefix_distances(other, one)[-1]


def test_case_and_punctuation_do_not_break_agreement() -> None:
    assert common_prefix(words("Hello, world"), words("hello world.")) == 2
