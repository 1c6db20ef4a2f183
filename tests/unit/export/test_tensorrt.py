"""What an export for TensorRT asks of the machine. Plans are compiled in tests/integration/export."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from export import tensorrt
from export.__main__ import main
from export.quantization import check_card
from export.tensorrt import CompileError, Profile
from speech.whisper.manifest import Compiled


def test_a_profile_opens_the_batch_and_the_tokens() -> None:
    prompts = Profile((1, 4, 16), (1, 8, 448))

    assert list(tensorrt.ranges("ids", (-1, -1), prompts)) == [(1, 1), (4, 8), (16, 448)]
    assert list(tensorrt.ranges("self_key_0", (-1, 8, 448, 64), prompts))[2] == (16, 8, 448, 64)
    assert list(tensorrt.ranges("at", (-1,), prompts)) == [(1,), (4,), (16,)]


def test_a_draft_of_one_row_asks_for_many_tokens() -> None:
    assert list(tensorrt.ranges("ids", (-1, -1), tensorrt.DRAFTS)) == [(1, 1), (1, 32), (1, 448)]
    assert list(tensorrt.ranges("bias_token", (-1, 512), tensorrt.DRAFTS)) == [(1, 512), (32, 512), (64, 512)]
    assert list(tensorrt.ranges("position", (-1,), tensorrt.DRAFTS)) == [(1,), (1,), (1,)]


def test_without_tensorrt_the_export_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)

    assert main(["whisper", "--target", "tensorrt", "--repository", str(tmp_path)]) == 1

    assert "docker compose -f docker/compose.gpu.yaml run --rm export" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_older_tensorrt_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    older = ModuleType("tensorrt")
    older.__dict__["__version__"] = "10.15.1"
    monkeypatch.setitem(sys.modules, "tensorrt", older)

    with pytest.raises(CompileError, match=r"Here: TensorRT 10\.15\.1"):
        tensorrt.load_tensorrt()


def test_float8_needs_a_card_that_has_it() -> None:
    check_card("float8", Compiled("11.4.0", "8.9"))
    check_card("float8", Compiled("11.4.0", "10.0"))
    check_card("int8", Compiled("11.4.0", "8.0"))
    with pytest.raises(CompileError, match=r"needs a card of compute capability 8\.9 or later; this one has 8\.0"):
        check_card("float8", Compiled("11.4.0", "8.0"))
