"""Whatever kind of sound a live client sends: converted where its config says so, refused by name where not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from gateway.streaming.recognizable import HEAD_BYTES, unlike_samples
from gateway.streaming.resampling import SoundFormat
from tests.recordings import DATA
from tests.unit.gateway.dialects.dialect_service import DialectService

FRAME = 2000  # bytes
ENCODERS: Mapping[str, tuple[str, ...]] = {
    "pcm16": ("-f", "s16le", "-ar", "16000"),
    "float32": ("-f", "f32le", "-ar", "16000"),
    "WAV": ("-f", "wav", "-ar", "44100"),
    "WebM": ("-f", "webm", "-c:a", "libopus"),
    "Ogg": ("-f", "ogg", "-c:a", "libopus"),
    "MP4": ("-f", "mp4", "-movflags", "frag_keyframe+empty_moov", "-c:a", "aac"),
    "MP3": ("-f", "mp3", "-id3v2_version", "0", "-write_xing", "0"),
    "AAC": ("-f", "adts", "-c:a", "aac"),
    "FLAC": ("-f", "flac"),
}


def encoded(*arguments: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(DATA / "dashwood.flac"), *arguments]
    return subprocess.run([*command, "-"], capture_output=True, check=True).stdout


def talk(service: DialectService, config: Mapping[str, Any], *sent: bytes | str) -> tuple[list[dict[str, Any]], int]:
    """What the service says, and its close code. Sound goes in small frames."""
    told: list[dict[str, Any]] = []
    with connect(f"{service.ws}/stream", ping_timeout=None) as socket:
        try:
            socket.send(json.dumps(config))
            told.append(json.loads(socket.recv(60)))
            for each in sent:
                step = FRAME if isinstance(each, bytes) else len(each)
                for start in range(0, len(each), step):
                    socket.send(each[start : start + step])
            socket.send('{"action": "stop"}')
            while True:
                told.append(json.loads(socket.recv(60)))
        except ConnectionClosed:
            told += [json.loads(text) for text in drained(socket)]
        return told, socket.close_code or 0


def drained(socket: Any) -> list[str]:
    """What came before the end, and was not read when sending failed."""
    left: list[str] = []
    try:
        while True:
            left.append(socket.recv(1))
    except (ConnectionClosed, TimeoutError):
        return left


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        ({"encoding": "float32"}, ENCODERS["float32"]),
        ({"encoding": "mulaw", "sample_rate": 8000}, ("-f", "mulaw", "-ar", "8000")),
        ({"encoding": "alaw", "sample_rate": 8000}, ("-f", "alaw", "-ar", "8000")),
        ({"sample_rate": 48_000, "channels": 2}, ("-f", "s16le", "-ar", "48000", "-ac", "2")),
        ({"encoding": "webm"}, ENCODERS["WebM"]),
        ({"encoding": "ogg"}, ENCODERS["Ogg"]),
    ],
    ids=["float32", "mulaw", "alaw", "48 kHz stereo", "webm", "ogg"],
)
def test_sound_is_converted_as_the_config_says(
    service: DialectService, config: Mapping[str, Any], arguments: tuple[str, ...]
) -> None:
    told, code = talk(service, {"language": "en", **config}, encoded(*arguments))

    assert code == 1000
    assert abs(told[-1]["duration"] - 7.1) < 0.1
    assert len(told[-1]["text"].split()) > 10
    assert "ignored" not in told[0]


@pytest.mark.parametrize("kind", [name for name in ENCODERS if name != "pcm16"])
def test_what_is_no_pcm_is_called_by_its_name(service: DialectService, kind: str) -> None:
    told, code = talk(service, {}, encoded(*ENCODERS[kind])[:30_000])

    name = "32-bit floats" if kind == "float32" else kind
    assert name in told[-1]["error"] and "pcm16, float32, mulaw or alaw" in told[-1]["error"]
    assert code == 1008


@pytest.mark.parametrize("encoding", ["webm", "ogg", "float32"])
def test_samples_are_not_what_another_encoding_says(service: DialectService, encoding: str) -> None:
    told, code = talk(service, {"encoding": encoding}, encoded(*ENCODERS["pcm16"])[:30_000])

    assert told[-1]["type"] == "error" and "accepted are" in told[-1]["error"]
    assert code == 1008


def test_a_container_without_sound_in_it_is_told(service: DialectService) -> None:
    told, code = talk(service, {"encoding": "ogg"}, b"OggS" + bytes(5000))

    assert "cannot be read as ogg" in told[-1]["error"]
    assert code == 1008


def test_speech_is_taken_for_nothing_but_samples() -> None:
    sound = encoded(*ENCODERS["pcm16"])
    noise = np.random.default_rng(0).integers(-32768, 32767, 16_000).astype("<i2").tobytes()
    silence = bytes(32_000)

    for each in (sound, noise, silence):
        heads = [each[at : at + HEAD_BYTES] for at in range(0, len(each), HEAD_BYTES)]
        assert [unlike_samples(head, SoundFormat()) for head in heads] == [""] * len(heads)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"encoding": "opus"}, "encoding"),
        ({"encoding": 5}, "encoding"),
        ({"sample_rate": 96_000}, "sample_rate"),
        ({"sample_rate": "fast"}, "sample_rate"),
        ({"sample_rate": True}, "sample_rate"),
        ({"channels": 0}, "channels"),
        ({"keyterms": "Triton"}, "keyterms"),
        ({"keyterms": [5]}, "keyterms"),
        ({"language": "yue"}, "Cantonese"),
        ({"model": "no-such"}, "no model"),
    ],
)
def test_a_config_that_cannot_be_had_is_refused(service: DialectService, config: Mapping[str, Any], word: str) -> None:
    (refusal,), code = talk(service, config)

    assert word in refusal["error"]
    assert code == 1008


def test_fields_that_mean_nothing_are_named(service: DialectService) -> None:
    told, _ = talk(service, {"language": "en", "punctuate": True, "interim_results": True})

    assert told[0]["ignored"] == ["interim_results", "punctuate"]


def test_the_address_says_as_much_as_a_config(service: DialectService) -> None:
    with connect(f"{service.ws}/stream?encoding=mulaw&sample_rate=8000") as socket:
        ready = json.loads(socket.recv(60))
        socket.send(encoded("-f", "mulaw", "-ar", "8000"))
        socket.send(b"")
        while not (last := json.loads(socket.recv(60)))["final"]:
            pass

    assert ready["type"] == "ready"
    assert abs(last["duration"] - 7.1) < 0.1


def test_a_config_in_the_middle_changes_language_and_terms_alone(service: DialectService) -> None:
    sound = encoded(*ENCODERS["pcm16"])
    told, code = talk(
        service,
        {"language": "en", "keyterms": ["Dashwood"], "model": "base"},
        sound + bytes(64_000),
        '{"keyterms": ["Triton", "gRPC"], "model": "base", "sample_rate": 16000}',
        '{"model": "large-v3"}',
        '{"language": "klingon"}',
        '{"language": "fr"}',
        sound,
    )
    answers = [message for message in told if message["type"] in ("ready", "error")]

    assert code == 1000
    assert [each.get("language", each.get("error", "")[:15]) for each in answers] == [
        "en",
        "en",
        "model is set be",
        "`language` is '",
        "fr",
    ]
    heard = [(each.language, each.keyterms) for each in service.models.requests]
    assert heard[0] == ("en", ("Dashwood",))
    assert heard[-1] == ("fr", ("Triton", "gRPC"))
    assert told[-1]["duration"] == pytest.approx(2 * 7.1 + 2.0, abs=0.1)
