"""Which of a file's audio tracks are read, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import BadParameter
from gateway.media.report import MediaReport
from speech.languages import find

# ISO 639-2, as containers write it: the codes of the library, then those of the language's own name.
_THREE_LETTERS = {
    code: two
    for two, codes in {
        "af": "afr", "am": "amh", "ar": "ara", "as": "asm", "az": "aze", "ba": "bak", "be": "bel", "bg": "bul",
        "bn": "ben", "bo": "tib bod", "br": "bre", "bs": "bos", "ca": "cat", "cs": "cze ces", "cy": "wel cym",
        "da": "dan", "de": "ger deu", "el": "gre ell", "en": "eng", "es": "spa", "et": "est", "eu": "baq eus",
        "fa": "per fas", "fi": "fin", "fo": "fao", "fr": "fre fra", "gl": "glg", "gu": "guj", "ha": "hau",
        "he": "heb", "hi": "hin", "hr": "hrv", "ht": "hat", "hu": "hun", "hy": "arm hye", "id": "ind",
        "is": "ice isl", "it": "ita", "ja": "jpn", "jv": "jav", "ka": "geo kat", "kk": "kaz", "km": "khm",
        "kn": "kan", "ko": "kor", "la": "lat", "lb": "ltz", "ln": "lin", "lo": "lao", "lt": "lit", "lv": "lav",
        "mg": "mlg", "mi": "mao mri", "mk": "mac mkd", "ml": "mal", "mn": "mon", "mr": "mar", "ms": "may msa",
        "mt": "mlt", "my": "bur mya", "ne": "nep", "nl": "dut nld", "nn": "nno", "no": "nor nob", "oc": "oci",
        "pa": "pan", "pl": "pol", "ps": "pus", "pt": "por", "ro": "rum ron", "ru": "rus", "sa": "san", "sd": "snd",
        "si": "sin", "sk": "slo slk", "sl": "slv", "sn": "sna", "so": "som", "sq": "alb sqi", "sr": "srp",
        "su": "sun", "sv": "swe", "sw": "swa", "ta": "tam", "te": "tel", "tg": "tgk", "th": "tha", "tk": "tuk",
        "tl": "tgl", "tr": "tur", "tt": "tat", "uk": "ukr", "ur": "urd", "uz": "uzb", "vi": "vie", "yi": "yid",
        "yo": "yor", "zh": "chi zho",
    }.items()
    for code in codes.split()
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackChoice:
    """What of a file's sound is wanted."""

    language: str | None = None  # ISO 639-1: a track with its tag comes first
    track: int = 0  # 1 is the file's first; 0: one with speech
    mix: bool = False  # all tracks at once, as of a microphone beside a desktop
    separate: bool = False  # each channel for itself

    @property
    def needs_tags(self) -> bool:
        """Whether the tracks must be known before one is decoded."""
        return bool(self.language or self.track or self.mix)

    def candidates(self, report: MediaReport) -> list[int]:
        """Tracks in the order in which they are tried, 0 is the first. Raises BadParameter for one that is not there"""
        tracks = list(range(max(1, len(report.audio))))
        if self.track:
            if self.track > len(tracks):
                accepted = f"1 to {len(tracks)}" if len(tracks) > 1 else "1"
                raise BadParameter(f"The file has no audio track {self.track}; accepted are {accepted}.", "track")
            return [self.track - 1]
        if self.language is None or self.mix:
            return tracks
        return sorted(tracks, key=lambda at: at >= len(report.tags) or tag_language(report.tags[at]) != self.language)


ONE_TRACK = TrackChoice()


def tag_language(tag: str) -> str | None:
    """ISO 639-1 of a container's language tag; None for none and for one that is not known."""
    return _THREE_LETTERS.get(tag.lower()) or find(tag)


def unread_tracks(report: MediaReport, read: Sequence[int]) -> tuple[str, ...]:
    """A warning that names every track that was left out. read: those that were"""
    count = len(report.audio)
    left = [at for at in range(count) if at not in read]
    if not left:
        return ()
    number, verb = ("one", "was") if len(read) == 1 else (str(len(read)), "were")
    what = f"{_listed(report, read)}, not {_listed(report, left)}"
    return (f"The file has {count} sound tracks; only {number} of them {verb} read: {what}.",)


def _listed(report: MediaReport, tracks: Sequence[int]) -> str:
    return ", ".join(_named(report, at) for at in sorted(tracks))


def _named(report: MediaReport, at: int) -> str:
    tag = report.tags[at] if at < len(report.tags) else ""
    return f"track {at + 1}" + (f" ({tag})" if tag else "")
