from __future__ import annotations

import pytest

from gateway.summaries.utterances import SpokenSegment, TranscriptSentence, utterances_of_segments, utterances_of_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna: Hello there. How are you? Ben: Fine.", ["Anna: Hello there.", "Anna: How are you?", "Ben: Fine."]),
        ("Speaker 1: One.\nSpeaker 2: Two.\nNobody's.", ["Speaker 1: One.", "Speaker 2: Two.", "Nobody's."]),
        ("Mr. Weber called. It cost 3.50 euros.", ["Mr. Weber called.", "It cost 3.50 euros."]),
        ("1. The lamp. 2. The chair.", ["The lamp.", "The chair."]),
        ("Phones: Ben orders two.", ["Phones: Ben orders two."]),
        ("会議です。田中さんです。", ["会議です。", "田中さんです。"]),
        ("... !", []),
    ],
)  # fmt: skip
def test_sentences_keep_their_speaker(text: str, expected: list[str]) -> None:
    assert [str(utterance) for utterance in utterances_of_text(text)] == expected


def test_a_sentence_over_two_segments_has_the_times_of_both() -> None:
    segments = [
        SpokenSegment("We launch", "A", 1.0, 2.0),
        SpokenSegment("in May. Good.", "A", 2.0, 4.0),
        SpokenSegment("Yes.", "B", 4.0, 5.0),
    ]

    assert utterances_of_segments(segments) == [
        TranscriptSentence(1, "We launch in May.", "A", 1.0, 4.0),
        TranscriptSentence(2, "Good.", "A", 2.0, 4.0),
        TranscriptSentence(3, "Yes.", "B", 4.0, 5.0),
    ]
