from __future__ import annotations

from gateway.summaries.repetition import looping, tidied


def test_a_line_that_comes_again_is_a_loop() -> None:
    assert looping("- one\n- two\n- one\n")
    assert not looping("- one\n- two\n- on")


def test_a_repeated_line_and_a_code_fence_are_removed() -> None:
    assert tidied("```\n- one\n- two\n- one\n```", cut=False) == "- one\n- two"


def test_markdown_becomes_plain_text() -> None:
    assert (
        tidied("## Price ##\n- **Decision**: C# stays #1\n5 * 3 #", cut=False)
        == "Price\n- Decision: C# stays #1\n5 * 3"
    )


def test_a_text_that_was_cut_ends_with_its_last_whole_sentence() -> None:
    assert tidied("It was decided. The price stays. And then the", cut=True) == "It was decided. The price stays."


def test_a_list_that_was_cut_loses_its_unfinished_line() -> None:
    assert tidied("- one\n- two\n- thr", cut=True) == "- one\n- two"


def test_a_text_that_was_not_cut_stays_as_it_is() -> None:
    assert tidied("A headline without a full stop", cut=False) == "A headline without a full stop"
