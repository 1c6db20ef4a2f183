"""The manifest of recordings, and files joined from clips."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from benchmarks import recordings
from benchmarks.recordings import CorpusRecording, RecordingsMissing, join, load, write_wav
from speech.audio import SAMPLE_RATE


def test_the_manifest_gives_recordings_of_the_groups_asked_for(tmp_path: Path) -> None:
    lines = [
        {"id": "one", "path": "a/one.flac", "group": "A-read", "language": "en", "text": "hello", "duration": 1.5},
        {"id": "two", "path": "b/two.mp3", "group": "E-bad", "language": None, "text": None},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(json.dumps(line) for line in lines))

    assert [recording.id for recording in load(folder=tmp_path)] == ["one", "two"]
    (read,) = load(["A-read"], tmp_path)
    assert (read.path, read.text, read.duration) == (tmp_path / "a/one.flac", "hello", 1.5)
    (bad,) = load(["E-bad"], tmp_path)
    assert (bad.language, bad.text, bad.duration) == (None, None, 0.0)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingsMissing, match=r"manifest\.jsonl is missing"):
        load(folder=tmp_path)


def test_joined_clips_keep_their_samples_texts_and_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "CACHE", tmp_path)
    clips = [_clip(index, np.full(SAMPLE_RATE, index, dtype=np.int16)) for index in (1, 2)]

    joined = join(clips, "both", pause=0.5)

    with wave.open(str(joined.path), "rb") as audio:
        samples = np.frombuffer(audio.readframes(audio.getnframes()), dtype=np.int16)
    assert (joined.text, joined.duration) == ("text 1 text 2", 3.0)
    assert [int(samples[int(second * SAMPLE_RATE)]) for second in (0.5, 1.2, 2.0, 2.8)] == [1, 0, 2, 0]


def _clip(index: int, pcm: np.ndarray) -> CorpusRecording:
    clip = CorpusRecording(f"clip{index}", Path("none"), "A-read", "en", f"text {index}", 1.0)
    clip.__dict__["pcm"] = pcm  # as if it had been decoded
    return clip


def test_a_wav_is_sixteen_kilohertz_mono(tmp_path: Path) -> None:
    path = write_wav(np.arange(100, dtype=np.int16), tmp_path / "deep" / "clip.wav")

    with wave.open(str(path), "rb") as audio:
        assert (audio.getframerate(), audio.getnchannels(), audio.getnframes()) == (16_000, 1, 100)
