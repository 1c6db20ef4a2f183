from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from speech.gpu import Gpu
from speech.tensors import GPU_METRIC, read_result
from speech.whisper.calibration import Calibration
from speech.whisper.manifest import write_manifest
from speech.whisper.serving import ServingOptions, WhisperAdapter, publish_captured, publish_gpu
from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.speech_fakes import Line, ScriptedEngine, byte_tokenizer_json, says
from tests.unit.speech.whisper.test_manifest import MANIFEST


class Metrics:
    """What a model published, by name."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._changed = threading.Condition()

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def add(self, name: str, by: float) -> None:
        with self._changed:
            self._values[name] = self._values.get(name, 0.0) + by
            self._changed.notify_all()

    def set(self, name: str, to: float) -> None:
        self.add(name, to - self._values.get(name, 0.0))

    def wait_until_above_zero(self, name: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._values[name] > 0, 60)


class Metric:
    def __init__(self, name: str, metrics: Metrics) -> None:
        self._name, self._metrics = name, metrics
        metrics.set(name, 0.0)

    def increment(self, by: float) -> None:
        self._metrics.add(self._name, by)

    def set(self, to: float) -> None:
        self._metrics.set(self._name, to)


def metric_family(published: Metrics) -> type:
    """The backend's class of that name, over the metrics of one test."""

    class MetricFamily:
        COUNTER, GAUGE = "counter", "gauge"

        def __init__(self, name: str, description: str, kind: str) -> None:
            self._name = name

        def Metric(self, labels: dict[str, str]) -> Metric:
            return Metric(self._name, published)

    return MetricFamily


class BackendError(Exception):
    INVALID_ARG, UNAVAILABLE, CANCELLED, INTERNAL = "invalid", "unavailable", "cancelled", "internal"

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Response:
    def __init__(self, output_tensors: list[Any] | None = None, error: BackendError | None = None) -> None:
        self.tensors = output_tensors or []
        self.error = error


class Tensor:
    def __init__(self, name: str, values: np.ndarray) -> None:
        self._name, self._values = name, values

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._values


FINAL = 1


class Call:
    """A request and its response sender in one."""

    def __init__(self, audio: np.ndarray | None = None, **texts: str) -> None:
        self._tensors = [Tensor(name, np.array([text.encode()], dtype=object)) for name, text in texts.items()]
        if audio is not None:
            self._tensors.append(Tensor("AUDIO", audio))
        self._answered = threading.Event()
        self.responses: list[Response] = []
        self.cancelled = False

    def inputs(self) -> list[Tensor]:
        return self._tensors

    def get_response_sender(self) -> Call:
        return self

    def request_id(self) -> str:
        return "recording"

    def correlation_id(self) -> int:
        return 0

    def is_cancelled(self) -> bool:
        return self.cancelled

    def send(self, response: Response, flags: int) -> None:
        assert flags == FINAL
        self.responses.append(response)
        self._answered.set()

    def response(self) -> Response:
        assert self._answered.wait(60)
        (response,) = self.responses
        return response


def window(name: int = 1, samples: int = 16000) -> np.ndarray:
    audio = np.zeros(samples, dtype=np.int16)
    audio[:1] = name
    return audio


@pytest.fixture
def published() -> Metrics:
    return Metrics()


@pytest.fixture
def backend(published: Metrics) -> SimpleNamespace:
    return SimpleNamespace(
        MetricFamily=metric_family(published),
        TritonError=BackendError,
        InferenceResponse=Response,
        Tensor=Tensor,
        TRITONSERVER_RESPONSE_COMPLETE_FINAL=FINAL,
    )


@pytest.fixture
def engine(multilingual: Tokenizer) -> ScriptedEngine:
    return ScriptedEngine(multilingual, {1: says(" Hello."), 2: lambda _: Line(" x", endless=True)})


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, str]:
    """Of `initialize`."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "tokenizer.json").write_text(byte_tokenizer_json(text_tokens=50257), encoding="utf-8")
    write_manifest(MANIFEST, tmp_path / "1")
    parameters = {"slots": {"string_value": "4"}, "grace": {"string_value": "5"}}
    return {
        "model_name": "whisper-base",
        "model_version": "1",
        "model_repository": str(tmp_path),
        "model_config": json.dumps({"parameters": parameters}),
    }


@pytest.fixture
def adapter(arguments: dict[str, str], engine: ScriptedEngine, backend: SimpleNamespace) -> Iterator[WhisperAdapter]:
    adapter = WhisperAdapter.open(backend, arguments, lambda folder, options: engine)
    yield adapter
    adapter.close()


def test_a_request_is_answered_with_a_result(adapter: WhisperAdapter) -> None:
    call = Call(window(), LANGUAGE="en", PRIORITY="live", CALLER="me", PROMPT="Ada")
    adapter.accept([call])
    result = read_result(call.response().tensors[0].as_numpy()[0])
    assert (result.text, result.language) == ("Hello.", "en")


def test_words_are_calibrated_as_the_manifest_says_and_keep_their_probability(
    tmp_path: Path, arguments: dict[str, str], engine: ScriptedEngine, backend: SimpleNamespace
) -> None:
    write_manifest(replace(MANIFEST, calibration=Calibration(slope=1.0, offset=-2.0)), tmp_path / "1")
    adapter = WhisperAdapter.open(backend, arguments, lambda folder, options: engine)
    call = Call(window(), LANGUAGE="en")
    adapter.accept([call])
    (word,) = read_result(call.response().tensors[0].as_numpy()[0]).words
    adapter.close()

    assert word.confidence < word.probability - 0.1


def test_a_model_that_is_not_calibrated_says_so_and_serves(
    arguments: dict[str, str], engine: ScriptedEngine, backend: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = WhisperAdapter.open(backend, arguments, lambda folder, options: engine)
    call = Call(window(), LANGUAGE="en")
    adapter.accept([call])
    (word,) = read_result(call.response().tensors[0].as_numpy()[0]).words
    adapter.close()

    assert (word.uncalibrated, word.probability) == (None, word.confidence)
    assert "whisper-base is uncalibrated" in caplog.text


def test_optional_inputs_may_be_missing(adapter: WhisperAdapter) -> None:
    call = Call(window(), LANGUAGE="")
    adapter.accept([call])
    assert call.response().error is None


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (Call(window(samples=480_001), LANGUAGE="en"), "480000"),
        (Call(window(), LANGUAGE="xx"), "xx"),
        (Call(window(), LANGUAGE="en", PRIORITY="urgent"), "urgent"),
        (Call(window(), LANGUAGE="en", TASK="summarize"), "summarize"),
        (Call(LANGUAGE="en"), "AUDIO"),
    ],
    ids=["too long", "language", "priority", "task", "no audio"],
)
def test_a_bad_request_fails_alone(adapter: WhisperAdapter, call: Call, told: str) -> None:
    good = Call(window(), LANGUAGE="en")
    adapter.accept([call, good])
    error = call.response().error
    assert error is not None
    assert (error.code, told in str(error)) == (BackendError.INVALID_ARG, True)
    assert good.response().error is None


def test_a_window_without_audio_asks_whether_the_model_works(adapter: WhisperAdapter, engine: ScriptedEngine) -> None:
    call = Call(window(samples=0), LANGUAGE="en")
    adapter.accept([call])
    assert read_result(call.response().tensors[0].as_numpy()[0]).text == ""
    assert engine.encodes == []


def test_a_cancelled_request_is_told_so(
    adapter: WhisperAdapter, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech.whisper.batching.scheduler.POLL_DECODING", 0.0)
    engine.gate.clear()
    call = Call(window(2), LANGUAGE="en")
    adapter.accept([call])
    engine.wait_until_encoded()
    call.cancelled = True
    engine.gate.set()
    error = call.response().error
    assert error is not None and error.code == BackendError.CANCELLED


def test_a_failing_engine_is_told_as_internal(adapter: WhisperAdapter, engine: ScriptedEngine) -> None:
    engine.fails_to_encode = {1}
    call = Call(window(), LANGUAGE="en")
    adapter.accept([call])
    error = call.response().error
    assert error is not None and error.code == BackendError.INTERNAL


def test_a_model_that_is_unloaded_takes_no_more(adapter: WhisperAdapter) -> None:
    adapter.close()
    call = Call(window(), LANGUAGE="en")
    adapter.accept([call])
    error = call.response().error
    assert error is not None and error.code == BackendError.UNAVAILABLE


def test_metrics_follow_the_statistics(adapter: WhisperAdapter, published: Metrics) -> None:
    call = Call(window(), LANGUAGE="en")
    adapter.accept([call])
    call.response()
    published.wait_until_above_zero("whisper_finished_total")
    assert published["whisper_audio_seconds_total"] == 1.0
    assert published["whisper_tokens_total"] == len(" Hello.")


@pytest.mark.parametrize(("lookahead", "gather"), [(0, 1), (1, 8)])
def test_an_engine_of_a_gpu_is_given_batches(multilingual: Tokenizer, lookahead: int, gather: int) -> None:
    engine = ScriptedEngine(multilingual, {}, slots=10)
    engine.lookahead, engine.encode_batch = lookahead, 16

    policy = ServingOptions(longest_queue=5).policy(engine)

    assert (policy.reserved, policy.gather, policy.longest_queue) == (2, gather, 5)
    assert ServingOptions(gather=3).policy(engine).gather == 3


def test_options_come_from_the_parameters_and_the_environment_goes_before() -> None:
    parameters = {"slots": {"string_value": "6"}, "threads": {"string_value": "0"}}
    options = ServingOptions.read(parameters, {"WHISPER_THREADS": "3"})
    assert (options.slots, options.threads, options.gpu_memory) == (6, 3, 0.8)
    with pytest.raises(ValueError, match="many"):
        ServingOptions.read({"slots": {"string_value": "many"}}, {})


@pytest.mark.parametrize("captured", [True, False])
def test_an_engine_that_captures_steps_tells_whether_it_could(
    backend: SimpleNamespace, published: Metrics, captured: bool
) -> None:
    class Captures(ScriptedEngine):
        def __init__(self) -> None:
            self.captured = captured

    assert publish_captured(backend, {"model": "whisper-base"}, Captures()) is not None
    assert published["whisper_cuda_graphs"] == float(captured)


def test_a_gpu_is_told_with_its_name(
    backend: SimpleNamespace, published: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech.whisper.serving.find_gpu", lambda: Gpu("NVIDIA A100", 40 * 2**30))

    assert publish_gpu(backend, {"model": "whisper-base"}) is not None
    assert published[GPU_METRIC] == 40 * 2**30
