"""A job's transcript as the tools read it: lines with times and speakers, in pages and in passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.cli.client import RequestFailed, ServiceClient
from gateway.cli.mcp.answers import FoundPassage, SpokenLine
from gateway.cli.mcp.ranking import PassageText, RankedPassage
from gateway.cli.readable import Paragraph, paragraphs
from gateway.cli.terminal import clock
from gateway.transcript.rendering import read_fields
from speech.transcript import Transcript


@dataclass(frozen=True, slots=True)
class StoredTranscript:
    job_id: str
    file_name: str
    transcript: Transcript
    paragraphs: Sequence[Paragraph]

    def texts(self) -> list[PassageText]:
        return [PassageText(each.text, self.transcript.language) for each in self.paragraphs]

    def passage(self, found: RankedPassage, first: int, last: int) -> FoundPassage:
        """first, last: numbers of paragraphs"""
        lines = [spoken_line(each) for each in self.paragraphs[first : last + 1]]
        return {
            "job_id": self.job_id,
            "file_name": self.file_name,
            "at": lines[0]["at"],
            "start": lines[0]["start"],
            "end": lines[-1]["end"],
            "score": round(found.score, 3),
            "matched": list(found.matched),
            "lines": lines,
        }


async def fetch_transcript(client: ServiceClient, job: Mapping[str, Any]) -> StoredTranscript:
    """raises: RequestFailed"""
    fields = await client.get(f"/v1/jobs/{job['id']}/transcript")
    try:
        transcript = read_fields(fields)
    except (KeyError, TypeError, ValueError) as problem:
        raise RequestFailed(f"the service's answer cannot be read: {problem}") from problem
    return StoredTranscript(job["id"], job["file_name"], transcript, paragraphs(transcript))


def between(transcript: Transcript, start: float, end: float | None) -> Transcript:
    """What is said from `start` to `end`, in seconds, with segments that lie half inside."""
    last = transcript.duration if end is None else end
    return replace(transcript, segments=tuple(s for s in transcript.segments if s.end > start and s.start < last))


def pages(said: Sequence[Paragraph], characters: int) -> list[list[Paragraph]]:
    """Of at most so many characters each, or of one paragraph that is longer; at least one page."""
    found: list[list[Paragraph]] = [[]]
    room = characters
    for each in said:
        if found[-1] and len(each.text) > room:
            found.append([])
            room = characters
        found[-1].append(each)
        room -= len(each.text)
    return found


def surroundings(ranked: Sequence[RankedPassage], most: int, count: int) -> list[tuple[RankedPassage, int, int]]:
    """The best passages, each with the paragraph before and after it; those that touch become one. The best first.

    most: of those passages
    count: of all paragraphs
    """
    joined: list[tuple[RankedPassage, int, int]] = []
    for each in sorted(ranked[:most], key=lambda passage: passage.at):
        first, last = max(0, each.at - 1), min(count - 1, each.at + 1)
        if joined and first <= joined[-1][2]:
            before, begin, _ = joined.pop()
            better = max(before, each, key=lambda passage: passage.score)
            matched = tuple(dict.fromkeys([*before.matched, *each.matched]))
            joined.append((replace(better, matched=matched), begin, last))
        else:
            joined.append((each, first, last))
    return sorted(joined, key=lambda found: -found[0].score)


def spoken_line(paragraph: Paragraph) -> SpokenLine:
    return {
        "at": clock(paragraph.start),
        "start": round(paragraph.start, 2),
        "end": round(paragraph.end, 2),
        "speaker": paragraph.speaker,
        "text": paragraph.text,
    }
