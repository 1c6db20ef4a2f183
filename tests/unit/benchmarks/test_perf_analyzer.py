"""Around Triton's load generator: what it is given, what is read from it."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.loader import NoMirror, source_line
from benchmarks.perf_analyzer import AnalyzerFailed, loads, read_table, triton_address, write_requests
from benchmarks.recordings import CorpusRecording

TABLE = """Concurrency,Inferences/Second,Client Send,p50 latency,p90 latency,p95 latency,p99 latency
4,2.5,10,1500000,2400000,2500000,2600000
"""


def test_a_run_is_read_in_milliseconds() -> None:
    assert read_table(TABLE) == (4, 2.5, 1500.0, 2400.0, 2500.0, 2600.0)


def test_an_open_load_is_offered_by_chance_and_read_likewise() -> None:
    assert loads("1,2", "") == [["--concurrency-range", "1"], ["--concurrency-range", "2"]]
    assert loads("1,2", "0.5") == [["--request-rate-range", "0.5", "--request-distribution", "poisson"]]
    assert read_table(TABLE.replace("Concurrency", "Request Rate").replace("4,", "0.5,", 1))[:2] == (0.5, 2.5)


def test_every_clip_becomes_a_request_with_its_samples(tmp_path: Path) -> None:
    clip = CorpusRecording("one", Path("one.wav"), "A-read", "en", "hello", 1.0)
    clip.__dict__["pcm"] = np.array([1, -2, 3], dtype=np.int16)  # as if it had been decoded

    (request,) = json.loads(write_requests([clip], tmp_path / "requests.json").read_text())["data"]

    assert request["AUDIO"] == {"content": [1, -2, 3], "shape": [3]}
    assert request["LANGUAGE"] == {"content": ["en"], "shape": [1]}


def test_the_address_is_the_one_the_service_says() -> None:
    assert triton_address("Starting\nTriton answers at 127.0.0.1:36157\nReady") == "127.0.0.1:36157"
    with pytest.raises(AnalyzerFailed, match="where its Triton answers"):
        triton_address("Starting\n")


@pytest.mark.parametrize(
    "system",
    [
        "Types: deb\nURIs: https://mirror.example/debian\nSuites: bookworm\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://mirror.example/debian bookworm main\n",
    ],
)
def test_the_newer_suite_comes_from_the_systems_own_mirror(system: str) -> None:
    signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"

    assert source_line(system) == f"deb {signed} https://mirror.example/debian trixie main"


def test_a_system_without_a_mirror_is_told() -> None:
    with pytest.raises(NoMirror, match="no Debian mirror"):
        source_line("# nothing\n")
