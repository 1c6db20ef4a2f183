"""The arithmetic of the limits: operations of a known model, and the best of two passes over the machine."""

import pytest

from benchmarks.ideal import decoder_operations, encoder_operations
from benchmarks.limits import best_of, scaling
from speech.whisper.engine import Dimensions

BASE = Dimensions(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6)


def test_whisper_base_takes_about_ninety_billion_operations_a_window() -> None:
    whole, short = encoder_operations(BASE, 1500), encoder_operations(BASE, 750)

    assert whole == pytest.approx(9.7e10, rel=0.05)
    assert 2.0 < whole / short < 4.0  # attention grows with the square, the rest does not


def test_a_token_reads_every_weight_of_the_decoder_once() -> None:
    weights = 14 * 512**2 * 6 + 512 * 51865

    assert decoder_operations(BASE, 0, 0) == 2 * weights
    assert decoder_operations(BASE, 1500, 0) > 2 * weights


def test_the_better_of_two_passes_is_the_machines_peak() -> None:
    first = {"peaks": [{"precision": "int8", "gops": 900.0}], "read_bandwidth": 30e9}
    second = {
        "peaks": [{"precision": "int8", "gops": 1400.0}, {"precision": "float32", "gops": 300.0}],
        "read_bandwidth": 20e9,
    }

    assert best_of(first, second) == ({"int8": 1400.0, "float32": 300.0}, 30e9)


def test_two_threads_that_encode_two_windows_in_the_time_of_one_are_twice_as_fast() -> None:
    alone = [
        {"name": "encoder, 1 windows", "seconds": 0.5, "operations": 1e10},
        mel := {"name": "log-mel", "seconds": 0.1, "operations": 0},
    ]
    together = [{"name": "encoder, 2 windows", "seconds": 0.5, "operations": 2e10}, mel]

    assert scaling(alone, together).rows == [("encoder, 1 windows", 500.0, 250.0, 2.0)]
