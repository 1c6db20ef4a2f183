"""A speaker on each channel: order, names, and what one microphone picks up of another's speaker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.media.recording import Recording
from gateway.recognition.channels import ChannelRecognizer
from gateway.recognition.crosstalk import without_doubles, without_leakage
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import OnProgress
from gateway.transcript.segments import segment
from speech.activity import CHUNK
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import Coverage, SpeechGap, Transcript, Word

REQUEST = RecognitionRequest(model="base", diarize=True, speakers=2)
SECONDS = 8


def voice(seed: int, level: float = 3000.0) -> Pcm:
    """Noise with a spectrum of its own, on and off like syllables."""
    random = np.random.default_rng(seed)
    noise = np.convolve(random.normal(size=SECONDS * SAMPLE_RATE), random.normal(size=40), mode="same")
    syllables = np.repeat(random.random(SECONDS * 5) > 0.3, SAMPLE_RATE // 5)
    return (level * noise / noise.std() * syllables).clip(-32768, 32767).astype(np.int16)


def room(sound: Pcm, level: float) -> Pcm:
    """What another microphone hears of it: later, duller, with an echo."""
    filtered = np.convolve(sound.astype(np.float64), [0, 0, 0, 0.6, 0.3, 0.1], mode="same")
    echo = np.roll(filtered, 300) * 0.4
    return (level * (filtered + echo)).astype(np.int16)


def channel(pcm: Pcm, spoken: bool = True) -> Recording:
    return Recording(pcm, np.full(-(-len(pcm) // CHUNK), 0.9 if spoken else 0.0, np.float32))


def test_what_a_microphone_picks_up_of_a_louder_speaker_is_no_speech_of_its_own() -> None:
    loud = voice(1)
    noise = np.random.default_rng(5).normal(0, 5, len(loud)).astype(np.int16)

    own, other = without_leakage([channel(loud), channel(room(loud, 0.1) + noise)])

    assert (own.speech > 0.5).all()
    assert (other.speech > 0.5).mean() < 0.05


def test_two_who_speak_at_once_are_both_heard() -> None:
    for level in (3000, 1500, 900):
        quiet = voice(2, level) + room(voice(1), 0.05)
        both = without_leakage([channel(voice(1)), channel(quiet)])
        assert all((each.speech > 0.5).all() for each in both)


def test_of_the_same_sound_on_two_channels_the_first_speaks() -> None:
    first, second = without_leakage([channel(voice(1)), channel(voice(1))])

    assert (first.speech > 0.5).all()
    assert not (second.speech > 0.5).any()


def test_a_word_is_said_by_whoever_is_louder() -> None:
    loud, quiet = channel(voice(1)), channel(room(voice(1), 0.2))
    words = [Word("hello,", 1.0, 1.4, 0.9), Word("you", 3.0, 3.2, 0.9)]
    picked_up = [Word("Hello", 1.1, 1.4, 0.5), Word("yes", 3.0, 3.2, 0.9)]

    assert without_doubles([words, picked_up], [loud, quiet]) == [words, picked_up[1:]]
    assert without_doubles([words, picked_up], [loud, loud]) == [words, picked_up]


class FakeChannels:
    """Answers each channel with words of its own."""

    def __init__(self, transcripts: list[Transcript]) -> None:
        self.transcripts = transcripts
        self.requests: list[RecognitionRequest] = []

    async def transcribe(
        self, recording: Recording, request: RecognitionRequest, on_progress: OnProgress
    ) -> Transcript:
        self.requests.append(request)
        on_progress(1.0, 1.0)
        return self.transcripts[len(self.requests) - 1]


def said(*words: Word, language: str = "en") -> Transcript:
    coverage = Coverage(2.0, 1.0, (SpeechGap(0.0, 1.0),))
    return Transcript(segment(words, language), language, 8.0, warnings=("Something is doubtful.",), coverage=coverage)


def stereo() -> Recording:
    channels = (channel(voice(1)), channel(voice(2)))
    return Recording(channels[0].pcm, channels[0].speech, ("The file is damaged.",), channels=channels)


async def test_one_answer_holds_all_channels_in_order_of_time() -> None:
    fake = FakeChannels([
        said(Word("One.", 0.0, 0.5, 1), Word("Three.", 4.0, 4.5, 1)),
        said(Word("Two.", 2.0, 2.5, 1), Word("Vier.", 6.0, 6.5, 1), language="de"),
    ])  # fmt: skip
    progress: list[tuple[float, float]] = []

    answer = await ChannelRecognizer(fake, ("Agent",)).transcribe(
        stereo(), REQUEST, lambda *each: progress.append(each)
    )

    assert [(piece.speaker, piece.text) for piece in answer.segments] == [
        ("Agent", "One."), ("Channel 2", "Two."), ("Agent", "Three."), ("Channel 2", "Vier."),
    ]  # fmt: skip
    assert answer.speakers == ("Agent", "Channel 2")
    assert answer.text == "One. Two. Three. Vier."
    assert answer.languages == ("en", "de")
    assert answer.warnings[0] == "The file is damaged."
    assert answer.warnings[1:] == ("Agent: Something is doubtful.", "Channel 2: Something is doubtful.")
    assert answer.coverage == Coverage(4.0, 2.0, (SpeechGap(0.0, 1.0),))
    assert not any(request.diarize for request in fake.requests)
    assert progress[-1] == (2.0, 2.0)


async def test_names_without_a_channel_are_told() -> None:
    answer = await ChannelRecognizer(FakeChannels([said(), said()]), ("a", "b", "c")).transcribe(
        replace(stereo(), warnings=()), REQUEST, lambda *each: None
    )

    assert answer.warnings[-1] == "The recording has 2 channels, and 3 were named."


@pytest.mark.parametrize("names", [(), ("Ann",)])
async def test_silent_channels_have_no_words(names: tuple[str, ...]) -> None:
    nobody = Transcript((), "en", 8.0)

    answer = await ChannelRecognizer(FakeChannels([nobody, nobody]), names).transcribe(
        replace(stereo(), warnings=()), REQUEST, lambda *each: None
    )

    assert (answer.segments, answer.text, answer.speakers) == ((), "", ())
