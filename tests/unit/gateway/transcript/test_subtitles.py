"""Written subtitles are read back by parsers as strict as the formats' definitions."""

import html
import re
import unicodedata
from collections.abc import Iterable

import regex  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transcript.line_breaking import clusters, width
from gateway.transcript.segments import segment
from gateway.transcript.subtitles import COLUMNS, LONGEST, NARROWEST, WIDEST, cues, srt, vtt
from speech.transcript import Segment, Transcript, Word

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


SCRIPTS = {  # language → what its words are made of
    "en": st.text("abcdefgh'", min_size=1, max_size=12),
    "th": st.sampled_from(["เป็น", "กำ", "ที่", "ไทย", "น้ำ", "ไม่", "ภาษา", "ค", "รั", "บ"]),
    "ja": st.sampled_from(["っ", "た", "東", "京", "ー", "。", "ィ", "「", "音", "。」", "ん", "カ"]),
    "zh": st.sampled_from(["广", "州", "，", "市", "《", "书", "》", "的"]),
    "ar": st.text("ابتثجحخدذرزسش\u064e\u0651", min_size=1, max_size=9),
    "hi": st.sampled_from(["नमस्ते", "कि", "हिन्दी", "में", "क्ष"]),
    "ko": st.text("가나다라마바사\u1100\u1161\u11a8", min_size=1, max_size=6),
    "my": st.sampled_from(["မြန်မာ", "စာ", "ကို"]),
}
EMOJI = st.sampled_from(["👩‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "e\u0301\u0302", "☎️"])


@st.composite
def conversations(draw: st.DrawFn) -> Transcript:
    """Of any script, quick and slow, of one or two speakers."""
    language = draw(st.sampled_from(sorted(SCRIPTS)))
    words, at = [], 0.0
    for text in draw(st.lists(SCRIPTS[language] | EMOJI, min_size=1, max_size=60)):
        start = at + draw(st.sampled_from([0.0, 0.0, 0.1, 0.5, 3.0]))
        at = start + draw(st.sampled_from([0.02, 0.1, 0.3, 1.2]))
        speaker = draw(st.sampled_from(["Speaker 1", "Speaker 1", "Speaker 2"]))
        words.append(Word(text, start, at, 0.5, speaker))
    return Transcript(segment(words, language), language, duration=at + draw(st.sampled_from([0.0, 0.05, 4.0])))


def all_of(cue_lines: Iterable[str]) -> str:
    return "".join(cue_lines).replace(" ", "")


@settings(deadline=None)
@given(conversations(), st.booleans())
def test_a_line_has_at_most_42_characters_by_any_count_and_tears_none(transcript: Transcript, announced: bool) -> None:
    shown = cues(transcript, announced=announced)

    for cue in shown:
        assert 1 <= len(cue.lines) <= 2
        for line in cue.lines:
            assert max(len(line), width(line), len(regex.findall(r"\X", line))) <= COLUMNS
    if not announced:
        words = [word.text for piece in transcript.segments for word in piece.words]
        whole = [each for word in words for each in regex.findall(r"\X", word)]
        pieces = [each for cue in shown for line in cue.lines for each in regex.findall(r"\X", line) if each != " "]
        # What begins a word can belong to what ends the one before it, where no space is between.
        assert all_of(pieces) == all_of(whole)
        assert len(pieces) <= len(whole)


@settings(deadline=None)
@given(conversations(), st.booleans(), st.sampled_from([NARROWEST, 30, WIDEST]))
def test_lines_are_as_wide_as_is_asked_for(transcript: Transcript, announced: bool, columns: int) -> None:
    shown = cues(transcript, announced=announced, columns=columns)

    assert all(width(line) <= columns for cue in shown for line in cue.lines)
    usual = cues(transcript, announced=announced)
    assert all_of(line for cue in shown for line in cue.lines) == all_of(line for cue in usual for line in cue.lines)


@settings(deadline=None)
@given(conversations(), st.booleans())
def test_a_cue_can_be_read_where_there_is_room(transcript: Transcript, announced: bool) -> None:
    shown = cues(transcript, announced=announced)
    ends = [*(cue.start for cue in shown[1:]), int(transcript.duration * 1000)]

    for cue, limit in zip(shown, ends, strict=True):
        assert cue.start < cue.end <= limit
        letters = sum(map(len, cue.lines))
        needed = min(LONGEST, max(0.8, letters / 17)) * 1000
        assert cue.end - cue.start >= min(needed, limit - cue.start) - 1


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), max_size=20) | EMOJI)
def test_clusters_are_no_smaller_than_what_a_reader_takes_for_one_character(text: str) -> None:
    ends = {0, *(sum(map(len, clusters(text)[:at])) for at in range(1, len(clusters(text)) + 1))}
    readers = {found.end() for found in regex.finditer(r"\X", text)} | {0}
    torn = [at for at in ends - readers if unicodedata.category(text[at]) not in ("Lo", "Sk", "Lm")]

    assert torn == []


def test_no_line_begins_with_a_mark_that_belongs_to_the_line_before() -> None:
    words = [
        Word(text, at * 0.1, at * 0.1 + 0.1, 1) for at, text in enumerate("がっこうへいった。ちょっとまって、" * 6)
    ]
    for cue in cues(Transcript(segment(words, "ja"), "ja", 20.0)):
        assert all(line[0] not in "っょ。、" for line in cue.lines)


def test_two_quick_sentences_of_one_speaker_share_a_cue() -> None:
    words = [Word("Yes.", 0.0, 0.2, 1), Word("No.", 0.3, 0.5, 1), Word("Perhaps.", 9.0, 9.5, 1)]
    shown = cues(Transcript(segment(words, "en"), "en", 10.0))

    assert [(cue.start, cue.end, cue.lines) for cue in shown] == [(0, 800, ("Yes. No.",)), (9000, 9800, ("Perhaps.",))]


def test_who_speaks_stands_apart_from_what_is_said() -> None:
    words = [Word("音", 0, 1, 1, "Speaker 1"), Word("声", 1, 2, 1, "Speaker 2")]

    assert "Speaker 1: 音\n" in srt(Transcript(segment(words, "ja"), "ja", 3.0))


def test_speech_over_speech_becomes_cues_in_order_of_time() -> None:
    long = Segment(tuple(Word("word", at, at + 0.9, 1, "Left") for at in range(5)), "word " * 4 + "word", "Left")
    short = Segment((Word("yes", 2.0, 2.5, 1, "Right"),), "yes", "Right")
    shown = cues(Transcript((long, short), "en", 6.0))

    assert [(cue.start, cue.end) for cue in shown] == [(0, 2000), (2000, 2800)]


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
