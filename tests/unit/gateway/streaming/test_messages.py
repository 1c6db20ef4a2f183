import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadParameter
from gateway.streaming import messages
from gateway.streaming.buffer import AudioBuffer
from gateway.streaming.commands import StopCommand, StreamConfig, read_query, read_text
from gateway.streaming.language import LanguageVote
from speech.transcript import Word

HELLO = [Word("Hello,", 0.1, 0.4, 0.9), Word("there.", 0.5, 0.8, 0.8)]


def test_an_address_that_names_a_key_alone_configures_the_stream() -> None:
    assert read_query({"token": "abc"}) == StreamConfig(None, "auto")
    assert read_query({"model": "small", "language": "fr"}) == StreamConfig("small", "fr")


def test_several_languages_are_named_with_commas_or_as_a_list() -> None:
    named = StreamConfig(None, "auto", "en,fr")

    assert read_query({"languages": "en,fr"}) == named
    assert read_text('{"languages": "en,fr"}') == read_text('{"languages": ["en", "fr"]}') == named


def test_an_address_that_names_nothing_waits_for_a_config() -> None:
    assert read_query({}) is None


def test_a_text_frame_is_a_config_or_a_stop() -> None:
    assert read_text('{"language": "en", "model": "large-v3-turbo"}') == StreamConfig("large-v3-turbo", "en")
    assert isinstance(read_text('{"action": "stop"}'), StopCommand)


@pytest.mark.parametrize(
    "frame", ["hello", "[1]", '{"action": "go"}', '{"language": 3}', '{"languages": [1]}', '"x"', " " * 5000]
)
def test_any_other_text_frame_is_told_what_is_accepted(frame: str) -> None:
    with pytest.raises(BadParameter, match="config"):
        read_text(frame)


def test_every_message_carries_what_each_published_client_reads() -> None:
    said = [
        messages.ready("base", "auto"),
        messages.partial_text(HELLO, "en"),
        messages.final_text(HELLO, "en"),
        messages.complete("Hello, there.", "en", 1.0),
        messages.failure("away"),
    ]
    for message in said:
        assert {"type", "text", "partial", "is_final", "final"} <= message.keys()
    assert [m["final"] for m in said] == [m["is_final"] for m in said] == [False, False, False, True, False]


def test_a_partial_has_no_text_and_a_final_no_partial() -> None:
    partial, final = messages.partial_text(HELLO, "en"), messages.final_text(HELLO, "en")
    assert (partial["partial"], partial["text"]) == ("Hello, there.", "")
    assert (final["partial"], final["text"], final["start"], final["end"]) == ("", "Hello, there.", 0.1, 0.8)


@given(st.lists(st.integers(-32768, 32767), max_size=300), st.lists(st.integers(0, 7), max_size=400))
def test_frames_may_split_samples_anywhere(values: list[int], sizes: list[int]) -> None:
    import numpy as np

    sound = np.array(values, "<i2").tobytes()
    buffer, at = AudioBuffer(), 0
    for size in [*sizes, len(sound)]:
        buffer.append(sound[at : at + size])
        at += size
    assert buffer.samples(0, buffer.end).tolist() == values


def test_a_buffer_keeps_its_addresses_when_it_forgets() -> None:
    buffer = AudioBuffer()
    buffer.append(bytes(range(20)))
    kept = buffer.samples(4, 8).tolist()
    buffer.forget_before(4)
    assert (buffer.start, buffer.end) == (4, 10)
    assert buffer.samples(4, 8).tolist() == kept
    with pytest.raises(IndexError):
        buffer.samples(3, 8)


def test_a_given_language_is_not_voted_on() -> None:
    vote = LanguageVote("de")
    assert not vote.add("en", 0.99, 30.0)
    assert vote.settled == "de"


def test_a_language_settles_after_a_few_sure_seconds() -> None:
    vote = LanguageVote(None)
    assert not vote.add("en", 0.95, 1.0)
    assert vote.best == "en"
    assert vote.add("en", 0.95, 2.5)
    assert vote.settled == "en"


def test_an_unsure_language_settles_late_on_the_likeliest() -> None:
    vote = LanguageVote(None)
    for code in ("nl", "de", "de", "nl", "de", "de"):
        assert vote.settled is None
        vote.add(code, 0.5, 1.5)
    assert vote.settled == "de"


def test_brackets_without_end_are_not_json() -> None:
    with pytest.raises(BadParameter, match="not JSON"):
        read_text("[" * 4096)


def test_a_translation_is_refused_live() -> None:
    assert read_text('{"language": "de", "task": "transcribe"}') == StreamConfig(None, "de")
    with pytest.raises(BadParameter, match="POST /v1/transcribe"):
        read_text('{"language": "de", "task": "translate"}')
    with pytest.raises(BadParameter, match="POST /v1/transcribe"):
        read_query({"language": "de", "task": "translate"})


def test_key_terms_come_in_the_config() -> None:
    config = read_text('{"language": "en", "keyterms": ["Siobhan", "Nakagawa  Ltd"]}')

    assert config == StreamConfig(None, "en", keyterms=("Siobhan", "Nakagawa Ltd"))


@pytest.mark.parametrize(
    "terms", ['"Ann, Ben"', "[5]", '["?"]', str([f"t{at}" for at in range(101)]).replace("'", '"')]
)
def test_key_terms_that_are_none_are_refused(terms: str) -> None:
    with pytest.raises(BadParameter, match="keyterms"):
        read_text(f'{{"keyterms": {terms}}}')
