"""A transcript as numbered sentences, each with its speaker and its time where they are known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.summaries.splitting import sentences
from gateway.transcript.sentences import ends_sentence

_LABEL = re.compile(
    r"(?:^|(?<=[.!?。？！…])|(?<=[.!?…]\s))\s*"
    r"(?P<name>(?:(?:[DM]rs?|Ms|Prof|Hr|Fr|Sra?)\. )?[^\W\d_][\w'’ -]{0,30}?)\s?(?:: |：|:$)",
    re.MULTILINE,
)
_NUMBERED_SPEAKER = re.compile(
    r"(?:speaker|sprecher(?:in)?|locutor|hablante|intervenant|locuteur|pembicara|spreker|parlante|orador|falante|"
    r"unknown|話者|说话人|發言者)\s*\w{0,3}",
    re.IGNORECASE,
)
_HEADINGS = re.compile(
    r"(?:minutes|action items?|actions?|to-?dos?|to do|tasks?|notes?|agenda|decisions?|next steps?|summary|subject|re|"
    r"aufgaben|protokoll|beschl[uü]sse?|notizen|tareas|acuerdos|acta|tâches|décisions?|compte rendu|tugas|"
    r"keputusan|notulen|taken|compiti|tarefas|ps|p\.s|"
    r"(?:action|task|to-?do|aufgabe|tarea|tâche|tarefa|compito|taak|tugas)(?: item)? "
    r"(?:for|für|para|pour|per|voor|untuk) .+)",
    re.IGNORECASE,
)
_PARAGRAPH = re.compile(
    r"(?<=[.!?。？！…])[\"'”»)]*[ \t]*\n\s*(?=\S)"
)  # it is not said by the speaker of the one before
_LIST_NUMBER = re.compile(r"^(?:[-*•–]|\(?\d{1,2}[.)])\s*")


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """A part of a transcript as a client has it."""

    text: str
    speaker: str = ""
    start: float | None = None  # seconds
    end: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class TranscriptSentence:
    """One sentence."""

    number: int  # 1, 2, 3 ...
    text: str
    speaker: str = ""  # "" where it is not known
    start: float | None = None  # seconds, of the segment that the sentence begins in
    end: float | None = None  # seconds, of the segment that it ends in

    def __str__(self) -> str:
        return f"{self.speaker}: {self.text}" if self.speaker else self.text


def utterances_of_text(text: str) -> list[TranscriptSentence]:
    labels = _speakers(text)
    found: list[TranscriptSentence] = []
    speaker = ""
    for part in _parts(text, labels):
        if isinstance(part, _Label):
            speaker = part.name
            continue
        first, *others = _PARAGRAPH.split(part)
        for name, paragraph in [(speaker, first), *(("", other) for other in others)]:
            found.extend(
                TranscriptSentence(number, sentence, name)
                for number, sentence in enumerate(whole_sentences(paragraph), len(found) + 1)
            )
    return found


def utterances_of_segments(segments: Sequence[SpokenSegment]) -> list[TranscriptSentence]:
    """A sentence that goes on in the next segment of the same speaker is one, from the one's start to its end."""
    found: list[TranscriptSentence] = []
    open_sentence = False
    for segment in segments:
        parts = whole_sentences(segment.text)
        for index, sentence in enumerate(parts):
            last = found[-1] if found else None
            if index == 0 and open_sentence and last is not None and last.speaker == segment.speaker:
                joined = TranscriptSentence(
                    last.number, f"{last.text} {sentence}", last.speaker, last.start, segment.end
                )
                found[-1] = joined
            else:
                found.append(TranscriptSentence(len(found) + 1, sentence, segment.speaker, segment.start, segment.end))
        if parts:
            open_sentence = not ends_sentence(parts[-1].split()[-1]) and len(found[-1].text) < 400
    return found


def whole_sentences(text: str) -> list[str]:
    """Sentences as they are written: "Mr. Weber" and "3. Phones" do not end at their dots."""
    found: list[str] = []
    waiting = ""
    for part in sentences(text):
        joined = f"{waiting} {part}".strip()
        last = joined.split()[-1]
        if last.endswith(".") and not ends_sentence(last):
            waiting = joined
            continue
        waiting = ""
        if any(letter.isalnum() for letter in joined):
            found.append(_LIST_NUMBER.sub("", joined) or joined)
    if any(letter.isalnum() for letter in waiting):
        found.append(_LIST_NUMBER.sub("", waiting) or waiting)
    return found


@dataclass(frozen=True, slots=True)
class _Label:
    name: str


def _parts(text: str, labels: frozenset[str]) -> Iterator[str | _Label]:
    start = 0
    for found in _LABEL.finditer(text):
        if found["name"] in labels:
            yield text[start : found.start()]
            yield _Label(found["name"])
            start = found.end()
    yield text[start:]


def _speakers(text: str) -> frozenset[str]:
    """Labels that name who speaks: numbered ones, and names in front of at least two turns or of all."""
    found = Counter(label["name"] for label in _LABEL.finditer(text))
    lines = [line for line in text.splitlines() if line.strip()]
    labelled = sum(bool(_LABEL.match(line)) for line in lines)
    begins = _LABEL.match(text.lstrip())
    every = bool(begins) and not _HEADINGS.fullmatch(begins["name"] if begins else "") and labelled == len(lines)
    names = set()
    for name, times in found.items():
        if _HEADINGS.fullmatch(name) or len(name.split()) > 3:
            continue
        named = name[0].isupper() or not name[0].isascii()
        if _NUMBERED_SPEAKER.fullmatch(name) or (named and (times > 1 or (every and len(found) > 1) or every)):
            names.add(name)
    return frozenset(names)
