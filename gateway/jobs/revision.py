"""A stored transcript with other names for its speakers, and with words as they were really said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.errors import BadParameter
from gateway.jobs.job import JobTranscript
from gateway.transcript.rendering import fields, read_fields
from gateway.transcript.text import join
from speech.transcript import Segment, Word

Corrections = Mapping[tuple[int, int], str]  # number of the segment and of the word in it → the word


def revised(stored: JobTranscript, names: Mapping[str, str], corrections: Corrections) -> JobTranscript:
    """raises: BadParameter for a speaker or a word that is not there"""
    transcript = read_fields(stored)
    if unknown := [name for name in names if name not in transcript.speakers]:
        accepted = ", ".join(transcript.speakers) or "none, the transcript names nobody"
        raise BadParameter(f"`speakers` names {unknown[0][:40]!r}; accepted are {accepted}.", "speakers")
    if absent := [at for at in corrections if not _is_there(transcript.segments, at)]:
        segment, word = absent[0]
        raise BadParameter(f"`words` names word {word} of segment {segment}, which is not there.", "words")
    segments = [
        _revised(piece, number, transcript.language, names, corrections)
        for number, piece in enumerate(transcript.segments)
    ]
    left = tuple(piece for piece in segments if piece.words)
    words = [word for piece in left for word in piece.words]
    speakers = tuple(dict.fromkeys(names.get(name, name) for name in transcript.speakers))
    changed = replace(transcript, segments=left, speakers=speakers, text=join(words, transcript.language))
    answer = {**stored, **fields(changed, stored["model"])}
    if vectors := stored.get("speaker_vectors"):
        answer["speaker_vectors"] = {names.get(name, name): vector for name, vector in vectors.items()}
    return answer


def _revised(piece: Segment, number: int, language: str, names: Mapping[str, str], corrections: Corrections) -> Segment:
    speaker = None if piece.speaker is None else names.get(piece.speaker, piece.speaker)
    words = tuple(
        replace(_corrected(word, corrections.get((number, at))), speaker=speaker)
        for at, word in enumerate(piece.words)
        if corrections.get((number, at)) != ""
    )
    return Segment(words, join(words, language), speaker)


def _corrected(word: Word, text: str | None) -> Word:
    """A word that somebody has checked is certain."""
    return word if text is None or text == word.text else replace(word, text=text, confidence=1.0)


def _is_there(segments: Sequence[Segment], at: tuple[int, int]) -> bool:
    segment, word = at
    return segment < len(segments) and word < len(segments[segment].words)
