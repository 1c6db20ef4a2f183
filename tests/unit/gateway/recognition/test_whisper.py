"""TritonWhisper against a real gRPC server whose model is written here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace

import grpc
import numpy as np
import pytest

from gateway.errors import BadRequest, Unavailable
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.whisper import TritonWhisper, retry_policies
from gateway.settings import StreamSettings, TritonSettings
from gateway.triton.client import read_element
from gateway.triton.fleet import Fleet, watched
from speech.tensors import WHISPER_INPUTS, Priority, Task
from tests.unit.gateway.triton.triton_fakes import HEARD, Triton, dies, fails, listening, refuses, waits

REQUEST = RecognitionRequest(model="base")
WINDOW = np.arange(160, dtype=np.int16)


@asynccontextmanager
async def whisper(*tritons: Triton, patience: float = 5) -> AsyncIterator[TritonWhisper]:
    settings = TritonSettings(patience_seconds=patience, probe_seconds=0.05, timeout_seconds=5)
    async with listening(*tritons) as urls, watched(Fleet(urls, ["whisper-base"], settings)) as fleet:
        yield TritonWhisper(fleet, retry_policies(settings, StreamSettings(patience_seconds=patience)))


async def test_a_window_travels_as_the_wire_contract_says() -> None:
    triton = Triton()
    async with whisper(triton) as asked:
        options = {
            "language": "de",
            "prompt": "Vorher",
            "caller": "me",
            "regions": ((0, 8), (9, 16)),
            "keyterms": ("Ann",),
            "draft": "Ann sagt",
        }
        request = RecognitionRequest(model="base", task=Task.TRANSLATE, **options)  # type: ignore[arg-type]
        heard = await asked.recognize(WINDOW, request)

    assert heard == HEARD
    (sent,) = triton.requests
    assert sent.model_name == "whisper-base"
    assert [(each.name, each.datatype) for each in sent.inputs] == [
        (tensor.name, tensor.datatype) for tensor in WHISPER_INPUTS
    ]
    assert sent.raw_input_contents[0] == WINDOW.tobytes()
    assert [read_element(raw) for raw in sent.raw_input_contents[1:8]] == [
        b"de",
        b"Vorher",
        b"file",
        b"me",
        b"translate",
        b"Ann",
        b"Ann sagt",
    ]
    assert np.frombuffer(sent.raw_input_contents[8], np.int32).tolist() == [0, 8, 9, 16]


async def test_a_transcription_names_no_task_so_that_an_older_triton_takes_it() -> None:
    triton = Triton()
    async with whisper(triton) as asked:
        await asked.recognize(WINDOW, REQUEST)

    (sent,) = triton.requests
    assert "TASK" not in [each.name for each in sent.inputs]


async def test_languages_that_may_be_heard_travel_where_one_would() -> None:
    triton = Triton()
    async with whisper(triton) as asked:
        await asked.recognize(WINDOW, RecognitionRequest(model="base", languages=("en", "fr")))

    assert read_element(triton.requests[0].raw_input_contents[1]) == b"en,fr"


async def test_windows_go_to_the_tritons_in_turn() -> None:
    tritons = Triton(), Triton()
    async with whisper(*tritons) as asked:
        for _ in range(4):
            await asked.recognize(WINDOW, REQUEST)

    assert [len(triton.requests) for triton in tritons] == [2, 2]


async def test_a_triton_that_is_away_is_left_out_and_its_window_goes_elsewhere() -> None:
    tritons = Triton(refuses, lives=False), Triton()
    async with whisper(*tritons) as asked:
        for _ in range(4):
            assert await asked.recognize(WINDOW, REQUEST) == HEARD

    assert not tritons[0].requests


async def test_a_window_waits_for_a_dead_model_to_come_back() -> None:
    async with whisper(Triton(dies(), lives=False)) as asked:
        assert await asked.recognize(WINDOW, REQUEST) == HEARD


async def test_windows_that_a_dead_process_held_are_asked_again() -> None:
    async with whisper(Triton(dies(once=waits), lives=False)) as asked:
        assert await asked.recognize(WINDOW, REQUEST) == HEARD


async def test_when_no_triton_comes_back_in_time_the_client_is_told_when_to_try() -> None:
    async with whisper(Triton(refuses, lives=False), patience=0.05) as asked:
        with pytest.raises(Unavailable) as refused:
            await asked.recognize(WINDOW, REQUEST)

    assert refused.value.retry_after >= 1


async def test_a_window_that_fails_everywhere_is_given_up() -> None:
    triton = Triton(fails(grpc.StatusCode.INTERNAL, "the engine failed", times=99))
    async with whisper(triton) as asked:
        with pytest.raises(Unavailable):
            await asked.recognize(WINDOW, REQUEST)

    assert 1 < len(triton.requests) < 5


async def test_a_live_window_outlasts_failures_that_end_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.triton.retry.FIRST_BACKOFF", 0.001)
    for request, survives in ((REQUEST, False), (replace(REQUEST, priority=Priority.LIVE), True)):
        async with whisper(Triton(fails(grpc.StatusCode.INTERNAL, "the engine failed", times=5))) as asked:
            with nullcontext() if survives else pytest.raises(Unavailable):
                assert await asked.recognize(WINDOW, request) == HEARD


async def test_a_refused_window_is_the_callers_fault_and_not_tried_again() -> None:
    triton = Triton(fails(grpc.StatusCode.INVALID_ARGUMENT, "yue is not spoken here", times=99))
    async with whisper(triton) as asked:
        with pytest.raises(BadRequest, match="yue"):
            await asked.recognize(WINDOW, RecognitionRequest(model="base", language="yue"))

    assert len(triton.requests) == 1


async def test_cancelling_a_window_cancels_the_call() -> None:
    triton = Triton(waits)
    async with whisper(triton) as asked:
        recognizing = asyncio.create_task(asked.recognize(WINDOW, REQUEST))
        while not triton.requests:
            await asyncio.sleep(0.01)
        recognizing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recognizing
        while not triton.cancelled:
            await asyncio.sleep(0.01)

    assert triton.cancelled == 1


async def test_a_triton_that_refuses_windows_again_and_again_is_not_waited_for_for_ever() -> None:
    triton = Triton(refuses)
    async with whisper(triton, patience=0.8) as asked:
        with pytest.raises(Unavailable):
            await asked.recognize(WINDOW, REQUEST)

    assert len(triton.requests) >= 2


async def test_readiness_is_what_the_model_itself_answers() -> None:
    async with whisper(Triton(refuses, lives=False), Triton()) as asked:
        assert asked.is_ready("base")
    async with whisper(Triton(refuses, lives=False)) as asked:
        assert not asked.is_ready("base")


async def test_an_older_triton_is_asked_again_without_regions() -> None:
    message = "INVALID_ARGUMENT: unexpected inference input 'REGIONS' for model 'whisper-base'"
    triton = Triton(fails(grpc.StatusCode.INVALID_ARGUMENT, message, times=1))
    async with whisper(triton) as asked:
        assert await asked.recognize(WINDOW, replace(REQUEST, regions=((0, 8),))) == HEARD

    assert [each.name for each in triton.requests[-1].inputs][-1] == "CALLER"
