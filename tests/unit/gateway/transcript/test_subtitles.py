"""Written subtitles are read back by parsers as strict as the formats' definitions."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.transcript.segments import segment
from gateway.transcript.subtitles import COLUMNS, LONGEST, cues, srt, vtt
from speech.transcript import Transcript, Word

Parsed = list[tuple[int, int, list[str]]]

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=60)


def milliseconds(clock: str, mark: str) -> int:
    found = re.fullmatch(rf"(\d\d+):([0-5]\d):([0-5]\d){re.escape(mark)}(\d{{3}})", clock)
    assert found, clock
    hours, minutes, seconds, thousandths = map(int, found.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def parse_timing(line: str, mark: str) -> tuple[int, int]:
    start, end = line.split(" --> ")
    return milliseconds(start, mark), milliseconds(end, mark)


def parse_srt(text: str) -> Parsed:
    blocks = text.removesuffix("\n").split("\n\n") if text else []
    parsed = []
    for number, block in enumerate(blocks, 1):
        index, timing, *lines = block.split("\n")
        assert index == str(number)
        parsed.append((*parse_timing(timing, ","), lines))
    return parsed


def parse_vtt(text: str) -> Parsed:
    header, *blocks = text.removesuffix("\n").split("\n\n")
    assert header == "WEBVTT"
    parsed = []
    for block in blocks:
        timing, *lines = block.split("\n")
        assert all("<" not in line and "-->" not in line for line in lines)
        parsed.append((*parse_timing(timing, "."), [html.unescape(line) for line in lines]))
    return parsed


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    words, at = [], 0.0
    for text in draw(st.lists(TEXT, max_size=40)):
        start = at + draw(st.floats(0, 3))
        at = start + draw(st.floats(0, 2))
        words.append(Word(text, start, at, 0.5))
    return Transcript(segment(words, "en"), "en", duration=at + draw(st.floats(0.2, 5)))


@given(transcripts())
def test_srt_is_read_back_as_it_was_written(transcript: Transcript) -> None:
    shown = [(cue.start, cue.end, [line.replace("-->", "→") for line in cue.lines]) for cue in cues(transcript)]
    assert parse_srt(srt(transcript)) == shown


@given(transcripts())
def test_vtt_is_read_back_as_it_was_written(transcript: Transcript) -> None:
    assert parse_vtt(vtt(transcript)) == [(cue.start, cue.end, list(cue.lines)) for cue in cues(transcript)]


@given(transcripts())
def test_cues_follow_each_other_within_the_recording(transcript: Transcript) -> None:
    reached = 0
    for cue in cues(transcript):
        assert reached <= cue.start < cue.end <= transcript.duration * 1000
        reached = cue.end


@given(transcripts())
def test_cues_show_every_letter_on_two_short_lines(transcript: Transcript) -> None:
    shown = cues(transcript)
    assert all(1 <= len(cue.lines) <= 2 for cue in shown)
    assert all(len(line) <= COLUMNS for cue in shown for line in cue.lines)
    letters = "".join(word.text for piece in transcript.segments for word in piece.words)
    assert "".join("".join(cue.lines).replace(" ", "") for cue in shown) == letters


def test_a_long_sentence_becomes_several_cues() -> None:
    words = [Word("word" if at % 9 else "word,", at * 0.5, at * 0.5 + 0.4, 1) for at in range(36)]
    shown = cues(Transcript(segment(words, "en"), "en", 18.0))
    assert all(cue.end - cue.start <= LONGEST * 1000 for cue in shown)
    assert sum(cue.lines[-1].endswith(",") for cue in shown) >= 2


def test_wide_characters_count_twice() -> None:
    words = [Word("字", at * 0.1, at * 0.1 + 0.1, 1) for at in range(40)]
    (cue,) = cues(Transcript(segment(words, "zh"), "zh", 4.0))
    assert [len(line) for line in cue.lines] == [20, 20]


def test_a_speaker_has_a_voice() -> None:
    words = [Word("<yes>", 0, 1, 1, "Speaker 1")]
    assert "<v Speaker 1>&lt;yes&gt;" in vtt(Transcript(segment(words, "en"), "en", 1.0))


def test_nothing_said_is_still_a_valid_file() -> None:
    silence = Transcript((), "en", 3.0)
    assert srt(silence) == ""
    assert vtt(silence) == "WEBVTT\n"
