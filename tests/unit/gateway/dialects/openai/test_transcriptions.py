"""OpenAI's transcriptions, asked for by its own Python SDK; numbers are those of docs/compatibility.md."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from gateway.models import OTHER_SERVICES
from speech.transcript import Turn
from tests.described_api import events
from tests.unit.gateway.dialects.conftest import Convert, data_url, wav
from tests.unit.gateway.dialects.dialect_service import DialectService, until

TEN = {
    "id": int,
    "seek": int,
    "start": float,
    "end": float,
    "text": str,
    "tokens": list,
    "temperature": float,
    "avg_logprob": float,
    "compression_ratio": float,
    "no_speech_prob": float,
}


def post(service: DialectService, clip: bytes, path: str = "/audio/transcriptions", **fields: Any) -> httpx.Response:
    data = {"model": "whisper-1"} | fields
    return httpx.post(service.base + path, files={"file": ("clip.wav", clip)}, data=data, timeout=60)


def test_case_01_json_has_the_text_and_its_usage(client: openai.OpenAI, clip: bytes) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(file=clip, model="whisper-1")
    answer = raw.parse()

    assert answer.text.startswith("said0 ")
    assert "segments" not in raw.http_response.json()
    assert answer.usage is not None and answer.usage.type == "duration"
    assert answer.usage.seconds == math.ceil((len(clip) - 44) / 32_000)


@pytest.mark.parametrize("model", [*OTHER_SERVICES, "large-v3-turbo", "base", "openai/whisper-large-v3", ""])
def test_case_02_every_alias_is_accepted(client: openai.OpenAI, clip: bytes, model: str) -> None:
    named: Any = model or openai.omit

    assert client.audio.transcriptions.create(file=clip, model=named).text


def test_case_02_an_unknown_model_is_not_found(client: openai.OpenAI, clip: bytes) -> None:
    with pytest.raises(openai.NotFoundError) as failure:
        client.audio.transcriptions.create(file=clip, model="no-such")

    assert (failure.value.code, failure.value.param) == ("model_not_found", "model")


def test_case_03_text_is_a_text(client: openai.OpenAI, clip: bytes) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(file=clip, model="whisper-1", response_format="text")

    assert raw.http_response.text.startswith("said0 said1") and "Speaker" not in raw.http_response.text
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(("response_format", "begins"), [("srt", "1\n00:00:"), ("vtt", "WEBVTT")])
def test_case_04_subtitles(client: openai.OpenAI, clip: bytes, response_format: Any, begins: str) -> None:
    answer: Any = client.audio.transcriptions.create(file=clip, model="whisper-1", response_format=response_format)

    assert isinstance(answer, str) and answer.startswith(begins) and "Speaker" not in answer


def test_case_05_verbose_json_has_all_fields(client: openai.OpenAI, clip: bytes) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        file=clip, model="whisper-1", response_format="verbose_json"
    )
    answer, fields = raw.parse(), raw.http_response.json()

    assert (fields["task"], answer.language) == ("transcribe", "english")
    assert isinstance(answer.duration, float) and abs(answer.duration - (len(clip) - 44) / 32_000) < 0.1
    assert answer.words is None and answer.segments
    assert [segment["id"] for segment in fields["segments"]] == list(range(len(fields["segments"])))
    for segment in fields["segments"]:
        assert {name: type(value) for name, value in segment.items()} == TEN
        assert segment["text"].startswith(" ")


def test_case_06_words_alone_come_without_segments(client: openai.OpenAI, clip: bytes) -> None:
    answer = client.audio.transcriptions.create(
        file=clip, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
    )

    assert answer.segments is None and answer.words
    times = [time for word in answer.words for time in (word.start, word.end)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= float(answer.duration)


def test_case_07_both_granularities(client: openai.OpenAI, service: DialectService, clip: bytes) -> None:
    answer = client.audio.transcriptions.create(
        file=clip, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    mixed = post(
        service,
        clip,
        **{
            "response_format": "verbose_json",
            "timestamp_granularities[]": "word",
            "timestamp_granularities": "segment",
        },
    ).json()

    assert answer.words and answer.segments
    assert mixed["words"] and mixed["segments"]


def test_case_08_json_ignores_granularities(client: openai.OpenAI, clip: bytes) -> None:
    assert client.audio.transcriptions.create(file=clip, model="whisper-1", timestamp_granularities=["word"]).text


def test_case_09_diarized_json_has_letters_for_speakers(client: openai.OpenAI, clip: bytes) -> None:
    answer = client.audio.transcriptions.create(
        file=clip, model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
    )

    segments = answer.segments
    assert {segment.type for segment in segments} == {"transcript.text.segment"}
    assert len({segment.id for segment in segments}) == len(segments) > 1
    assert [segment.speaker for segment in segments] == sorted(segment.speaker for segment in segments)
    assert {segment.speaker for segment in segments} == {"A", "B"}
    assert [segment.start for segment in segments] == sorted(segment.start for segment in segments)


@pytest.mark.parametrize(
    "fields",
    [
        {"chunking_strategy": "auto"},
        {"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "0.5"},
        {"chunking_strategy": '{"type": "server_vad", "silence_duration_ms": 200}'},
    ],
)
def test_case_10_chunking_strategies(service: DialectService, clip: bytes, fields: dict[str, str]) -> None:
    assert post(service, clip, **fields).status_code == 200


def test_case_10_a_strategy_that_is_none_is_refused(service: DialectService, clip: bytes) -> None:
    answer = post(service, clip, **{"chunking_strategy[type]": "bogus"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "chunking_strategy")


def test_case_11_known_speakers_have_their_names(client: openai.OpenAI, pcm: np.ndarray, clip: bytes) -> None:
    ann, stranger = (data_url(wav(np.resize(pcm, seconds * 16_000))) for seconds in (3, 5))
    answer = client.audio.transcriptions.create(
        file=clip,
        model="gpt-4o-transcribe-diarize",
        response_format="diarized_json",
        chunking_strategy="auto",
        known_speaker_names=["Ann", "Zoe"],
        known_speaker_references=[ann, stranger],
    )

    assert list(dict.fromkeys(segment.speaker for segment in answer.segments)) == ["Ann", "A"]


def test_case_11_a_reference_may_be_large(service: DialectService, pcm: np.ndarray, clip: bytes) -> None:
    reference = data_url(wav(np.resize(pcm, 10 * 16_000)))
    fields = {"known_speaker_names[]": "Ann", "known_speaker_references[]": reference}

    assert len(reference) > 400_000
    assert post(service, clip, response_format="diarized_json", **fields).status_code == 200


def test_case_11_a_field_of_450_kib_passes(service: DialectService, pcm: np.ndarray, clip: bytes) -> None:
    head = "data:audio/x-wav;base64,"
    size = (450 * 1024 - len(head)) * 3 // 4  # bytes of the file, 44 of which are its header
    reference = head + base64.b64encode(wav(np.resize(pcm, (size - 44) // 2), rate=24_000)).decode()
    fields = {"known_speaker_names[]": "Ann", "known_speaker_references[]": reference}

    assert len(reference) == 450 * 1024
    assert post(service, clip, response_format="diarized_json", **fields).status_code == 200


@pytest.mark.parametrize(
    ("names", "references"),
    [
        (["A1", "A2", "A3", "A4", "A5"], 5),
        (["Ann"], 0),
        (["Ann", "Ann"], 2),
        (["Speaker 1"], 1),
    ],
    ids=["five", "no reference", "one name twice", "a name like ours"],
)
def test_case_11_what_names_nobody_is_refused(
    service: DialectService, pcm: np.ndarray, clip: bytes, names: list[str], references: int
) -> None:
    known: dict[str, Any] = {
        "known_speaker_names[]": names,
        "known_speaker_references[]": [data_url(wav(pcm[:48_000]))] * references,
    }
    answer = post(service, clip, response_format="diarized_json", **known)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "known_speaker_references")


@pytest.mark.parametrize(
    "reference",
    ["AAAA", "data:audio/wav;base64,AAAA", "voice1.AAAA", "short"],
    ids=["bare", "no sound", "vector", "1 s"],
)
def test_case_11_a_reference_that_cannot_be_used_is_refused(
    service: DialectService, pcm: np.ndarray, clip: bytes, reference: str
) -> None:
    sent = data_url(wav(pcm[:16_000])) if reference == "short" else reference
    known = {"known_speaker_names[]": "Ann", "known_speaker_references[]": sent}
    answer = post(service, clip, response_format="diarized_json", **known)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "known_speaker_references")


def test_a_voice_is_remembered_by_the_client(service: DialectService, pcm: np.ndarray, clip: bytes) -> None:
    """Its vector goes out signed, and names the same voice in the next recording."""
    url = f"{service.base}/transcribe"
    first = httpx.post(url, files={"file": clip}, data={"speaker_vectors": "true"}).json()
    vectors = first["speaker_vectors"]
    known = json.dumps({"Ben": vectors["Speaker 2"]})
    second = httpx.post(url, files={"file": clip}, data={"known_speakers": known, "speaker_vectors": "true"}).json()
    foreign = vectors["Speaker 2"][:-4] + "AAAA"
    refused = httpx.post(url, files={"file": clip}, data={"known_speakers": json.dumps({"Ben": foreign})})

    assert vectors.keys() == {"Speaker 1", "Speaker 2"}
    assert second["speakers"] == ["Speaker 1", "Ben"] and second["speaker_vectors"].keys() == {"Speaker 1", "Ben"}
    assert refused.status_code == 400 and "not signed" in refused.json()["error"]
    assert "speaker_vectors" not in httpx.post(url, files={"file": clip}).json()


def test_case_12_a_stream_is_deltas_and_the_whole(client: openai.OpenAI, service: DialectService, clip: bytes) -> None:
    told = list(client.audio.transcriptions.create(file=clip, model="whisper-1", stream=True))
    raw = post(service, clip, stream="true")

    assert [event.type for event in told[:-1]] == ["transcript.text.delta"] * (len(told) - 1)
    assert len(told) > 2 and told[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in told if event.type == "transcript.text.delta") == told[-1].text
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in events(raw.text)] == [data["type"] for _, data in events(raw.text)]


def test_case_13_a_long_stream_begins_before_it_is_read(service: DialectService, long_clip: bytes) -> None:
    service.models.release.clear()
    service.models.turns_of = (Turn("Speaker 1", 0.0, 90.0), Turn("Speaker 2", 90.0, 300.0))
    fields = {"model": "gpt-4o-transcribe-diarize", "stream": "true", "response_format": "diarized_json"}
    with httpx.stream(
        "POST", f"{service.base}/audio/transcriptions", files={"file": long_clip}, data=fields, timeout=60
    ) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        answered = service.models.answered
        service.models.release.set()
        text = "\n".join([first, *lines])

    assert answered == 1  # window of many
    told = [data for _, data in events(text)]
    assert told[0]["type"] == "transcript.text.delta" and told[0]["segment_id"] == "seg_001"
    segments = [each for each in told if each["type"] == "transcript.text.segment"]
    assert {each["speaker"] for each in segments} == {"A", "B"}
    assert all(isinstance(each["id"], str) for each in segments)
    assert "".join(each["delta"] for each in told if "delta" in each) == told[-1]["text"]
    assert len(told[-1]["text"].split()) > 200


def test_case_14_a_stream_that_fails_in_the_middle_says_so(
    client: openai.OpenAI, service: DialectService, long_clip: bytes
) -> None:
    service.models.fail_after = 2
    told = []
    with pytest.raises(openai.APIError, match="speech engine is away"):
        for event in client.audio.transcriptions.create(file=long_clip, model="whisper-1", stream=True):
            told.append(event.type)

    assert told and set(told) == {"transcript.text.delta"}


def test_what_fails_before_the_first_event_has_a_status(service: DialectService, clip: bytes) -> None:
    service.models.fail_after = 0

    assert post(service, clip, stream="true").status_code == 503
    assert post(service, b"no sound", stream="true").status_code == 400


def test_a_client_that_leaves_a_stream_ends_its_work(service: DialectService, long_clip: bytes) -> None:
    service.models.release.clear()
    with httpx.stream(
        "POST", f"{service.base}/audio/transcriptions", files={"file": long_clip}, data={"stream": "true"}, timeout=60
    ) as answer:
        next(answer.iter_lines())

    until(lambda: service.services.draining.in_flight == 0)


def test_case_15_logprobs(client: openai.OpenAI, clip: bytes) -> None:
    answer = client.audio.transcriptions.create(file=clip, model="gpt-4o-transcribe", include=["logprobs"])

    assert answer.logprobs
    assert all(each.logprob is not None and each.logprob <= 0 for each in answer.logprobs)
    assert "".join(str(each.token) for each in answer.logprobs) == answer.text
    assert bytes(int(byte) for byte in answer.logprobs[0].bytes or []) == answer.logprobs[0].token.encode()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("language", "meant"),
    [("en-US", "en"), ("EN", "en"), ("english", "en"), ("auto", None), ("", None), ("en_US", "en")],
)
def test_case_16_languages(service: DialectService, clip: bytes, language: str, meant: str | None) -> None:
    answer = post(service, clip, language=language, prompt="", temperature="0", something="else", response_format="")

    assert answer.status_code == 200
    assert service.models.requests[0].language == meant


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "xx-unknown"}, "language"),
        ({"language": "en", "languages[]": "de"}, "languages"),
        ({"languages[]": "klingon"}, "languages"),
        ({"temperature": "warm"}, "temperature"),
        ({"response_format": "docx"}, "response_format"),
        ({"timestamp_granularities[]": "letter"}, "timestamp_granularities"),
        ({"include[]": "everything"}, "include"),
        ({"stream": "perhaps"}, "stream"),
        ({"keywords[]": "a<b"}, "keywords"),
        ({"keywords[]": "x" * 81}, "keywords"),
        ({"keywords[]": json.dumps([f"term{at}" for at in range(101)])}, "keywords"),
    ],
)
def test_case_16_and_17_what_is_wrong_is_named(
    service: DialectService, clip: bytes, fields: dict[str, str], param: str
) -> None:
    answer = post(service, clip, **fields)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_case_17_keywords_and_languages(client: openai.OpenAI, service: DialectService, clip: bytes) -> None:
    client.audio.transcriptions.create(
        file=clip,
        model="gpt-transcribe",
        prompt="A talk.",
        extra_body={"keywords": ["Triton", "Kubernetes"], "languages": ["en", "id"]},
    )

    assert service.models.requests[0].prompt == "A talk."
    assert service.models.requests[0].keyterms == ("Triton", "Kubernetes")
    assert service.models.requests[0].language is None


@pytest.mark.parametrize(
    ("name", "kind", "output"),
    [
        (None, "audio/wav", ["-f", "wav"]),
        ("upload", None, ["-f", "mp3"]),
        ("blob", "application/octet-stream", ["-f", "ogg"]),
        ("file.mp3", "audio/mpeg", ["-f", "ogg", "-c:a", "libopus"]),
        ("audio.webm", "audio/webm", ["-f", "webm", "-c:a", "libopus", "-live", "1"]),
    ],
    ids=["no name", "upload", "blob", "ogg called mp3", "webm without a duration"],
)
def test_case_18_the_content_decides(
    service: DialectService, convert: Convert, name: str | None, kind: str | None, output: list[str]
) -> None:
    head = 'Content-Disposition: form-data; name="file"' + (f'; filename="{name}"' if name else "")
    head += f"\r\nContent-Type: {kind}" if kind else ""
    form = f'--b\r\nContent-Disposition: form-data; name="response_format"\r\n\r\nverbose_json\r\n--b\r\n{head}\r\n\r\n'
    body = form.encode() + convert(*output) + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}

    answer = httpx.post(f"{service.base}/audio/transcriptions", content=body, headers=headers, timeout=60)

    assert answer.status_code == 200, answer.text
    assert abs(answer.json()["duration"] - 7.1) < 0.3


def test_case_18_a_recording_cut_in_the_middle_is_read_to_there(service: DialectService, convert: Convert) -> None:
    whole = convert("-f", "webm", "-c:a", "libopus", "-live", "1")
    answer = post(service, whole[: len(whole) * 2 // 3], response_format="verbose_json")

    assert answer.status_code == 200
    assert 3 < answer.json()["duration"] < 6


def test_case_19_a_body_of_unknown_length(service: DialectService, clip: bytes) -> None:
    request = httpx.Request("POST", "http://x", files={"file": clip}, data={"model": "whisper-1"})
    headers = {"Content-Type": request.headers["Content-Type"]}

    answer = httpx.post(f"{service.base}/audio/transcriptions", content=iter([request.read()]), headers=headers)

    assert "content-length" not in answer.request.headers
    assert answer.status_code == 200


def test_case_20_a_recording_inside_json(service: DialectService, clip: bytes) -> None:
    def ask(data: str) -> httpx.Response:
        body = {"model": "whisper-1", "input_audio": {"data": data, "format": "wav"}}
        return httpx.post(f"{service.base}/audio/transcriptions", json=body)

    good, bad = ask(base64.b64encode(clip).decode()), ask("%%%")

    assert good.json()["text"].startswith("said0")
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "input_audio")


def test_case_21_silence_is_an_empty_text(client: openai.OpenAI) -> None:
    silence = wav(np.zeros(32_000, np.int16))

    assert client.audio.transcriptions.create(file=silence, model="whisper-1").text == ""
    verbose = client.audio.transcriptions.create(file=silence, model="whisper-1", response_format="verbose_json")
    assert (verbose.text, verbose.segments) == ("", [])
    (done,) = client.audio.transcriptions.create(file=silence, model="whisper-1", stream=True)
    assert done.type == "transcript.text.done" and done.text == ""


@pytest.mark.parametrize("content", [b"", b"just some text\n" * 20], ids=["empty", "text"])
def test_case_21_a_file_without_sound_is_refused(client: openai.OpenAI, content: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as failure:
        client.audio.transcriptions.create(file=("a.wav", content), model="whisper-1")

    assert failure.value.param == "file"


def test_case_21_a_form_without_a_file_is_refused(service: DialectService) -> None:
    url = f"{service.base}/audio/transcriptions"
    plain = httpx.post(url, files={"file": (None, "hello"), "model": (None, "whisper-1")})
    without = httpx.post(url, files={"model": (None, "whisper-1")})
    none = httpx.post(url)

    assert [answer.status_code for answer in (plain, without, none)] == [400] * 3
    assert plain.json()["error"]["param"] == without.json()["error"]["param"] == "file"
    assert none.json()["error"]["type"] == "invalid_request_error"


def test_case_22_translations(client: openai.OpenAI, service: DialectService, clip: bytes) -> None:
    service.models.language = "id"
    plain = client.audio.translations.create(file=clip, model="whisper-1")
    verbose: Any = client.audio.translations.create(file=clip, model="whisper-1", response_format="verbose_json")
    subtitles: Any = client.audio.translations.create(file=clip, model="whisper-1", response_format="srt")

    assert plain.text.startswith("translated0")
    assert (verbose.task, verbose.language) == ("translate", "english") and verbose.segments
    assert subtitles.startswith("1\n00:00:")
    with pytest.raises(openai.BadRequestError, match="accepted are large-v3, medium, small, base") as failure:
        client.audio.translations.create(file=clip, model="large-v3-turbo")
    assert failure.value.param == "model"


def test_case_24_events_are_found_by_their_names(service: DialectService, clip: bytes) -> None:
    text = ""
    for name, data in events(post(service, clip, stream="true").text):
        assert "segment_id" not in data
        if name == "transcript.text.done":
            text = data["text"]

    assert text.startswith("said0")


async def test_many_at_once_are_each_answered(service: DialectService, clip: bytes) -> None:
    """Open WebUI sends the pieces of a long recording in parallel."""
    async with openai.AsyncOpenAI(base_url=service.base, api_key="dummy", max_retries=0) as client:
        answers = await asyncio.gather(
            *(client.audio.transcriptions.create(file=clip, model="whisper-1") for _ in range(4))
        )

    assert len({answer.text for answer in answers}) == 1
