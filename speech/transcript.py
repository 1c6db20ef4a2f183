"""A transcript: words, segments, speaker turns. Times are seconds from the start of the recording."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

ATTENTION_STEP = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Word:
    text: str  # keeps its punctuation, no surrounding space
    start: float  # seconds
    end: float  # seconds
    confidence: float  # how likely it is right, 0..1, where the engine is calibrated; else the probability
    speaker: str | None = None
    language: str | None = None  # ISO 639-1; None: the transcript's
    uncalibrated: float | None = None  # mean token probability, 0..1; None: the confidence is that

    @property
    def probability(self) -> float:
        """Mean token probability, 0..1: what decisions read. The confidence is for people."""
        return self.confidence if self.uncalibrated is None else self.uncalibrated

    def shifted(self, offset: float) -> Word:
        """offset: seconds"""
        return replace(self, start=self.start + offset, end=self.end + offset)


@dataclass(frozen=True, slots=True)
class Turn:
    speaker: str
    start: float  # seconds
    end: float  # seconds
    known: bool = False  # whether the speaker has a name that is kept


@dataclass(frozen=True, slots=True)
class Segment:
    words: tuple[Word, ...]
    text: str
    speaker: str | None = None

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end

    @property
    def language(self) -> str | None:
        """ISO 639-1; None: the transcript's."""
        return self.words[0].language

    @property
    def confidence(self) -> float:
        """Mean of the words' confidences, 0..1."""
        return sum(word.confidence for word in self.words) / len(self.words)


@dataclass(frozen=True, slots=True)
class SpeechGap:
    """A stretch of speech for which no words were found."""

    start: float  # seconds
    end: float  # seconds


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the speech the words account for."""

    speech_seconds: float = 0.0
    covered_seconds: float = 0.0  # of the speech
    gaps: tuple[SpeechGap, ...] = ()  # in order, none overlapping another

    def shifted(self, offset: float) -> Coverage:
        """offset: seconds"""
        return replace(self, gaps=tuple(SpeechGap(gap.start + offset, gap.end + offset) for gap in self.gaps))

    def __add__(self, later: Coverage) -> Coverage:
        """Of two parts of one recording, both in its time."""
        return Coverage(
            self.speech_seconds + later.speech_seconds,
            self.covered_seconds + later.covered_seconds,
            (*self.gaps, *later.gaps),
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    segments: tuple[Segment, ...]
    language: str  # ISO 639-1
    duration: float  # seconds of audio
    speakers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()  # what was lost or is doubtful, one sentence each
    text: str = field(default="")
    coverage: Coverage = Coverage()

    @property
    def languages(self) -> tuple[str, ...]:
        """All that are spoken, in the order of their first words."""
        return tuple(dict.fromkeys(piece.language or self.language for piece in self.segments))


@dataclass(frozen=True, slots=True)
class WindowResult:
    """Whisper's transcript of one window of at most 30 s. Word times count from the start of the window."""

    words: tuple[Word, ...]
    text: str  # as decoded, surrounding space stripped
    language: str  # ISO 639-1, given or detected
    language_probability: float  # 1.0 when it was given
    average_logprob: float  # natural log, mean over the tokens
    no_speech_probability: float  # 0..1
    temperature: float = 0.0  # at which the text was accepted
    truncated: bool = False  # the token limit ended the text: speech may be missing
    region_languages: tuple[dict[str, float], ...] = ()  # of each region asked about: probability by ISO 639-1
    end_probability: float = 0.0  # of the end of text after the last word, 0..1; 0 where something else ended it
    attention: tuple[float, ...] = ()  # tokens whose attention lay on each ATTENTION_STEP of the window; (): not told
