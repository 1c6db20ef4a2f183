"""Triton reads names, types and shapes from config.pbtxt, gateway and models from speech.tensors: they must agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from speech.tensors import DIARIZER_INPUTS, DIARIZER_OUTPUTS, WHISPER_INPUTS, WHISPER_OUTPUTS, Tensor

REPOSITORY = Path(__file__).parents[2] / "model_repository"
CONFIGS = sorted(REPOSITORY.glob("*/config.pbtxt"))


def test_there_are_models() -> None:
    assert {path.parent.name for path in CONFIGS} >= {"diarizer", "whisper-base"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_a_model_s_tensors_are_those_of_the_wire_contract(path: Path) -> None:
    config = text_format.Parse(path.read_text(encoding="utf-8"), ModelConfig())
    whisper = path.parent.name.startswith("whisper-")

    assert config.name == path.parent.name
    assert _tensors(config.input) == list(WHISPER_INPUTS if whisper else DIARIZER_INPUTS)
    assert _tensors(config.output) == list(WHISPER_OUTPUTS if whisper else DIARIZER_OUTPUTS)


def _tensors(described: Any) -> list[Tensor]:
    return [
        Tensor(each.name, _datatype(each.data_type), tuple(each.dims), getattr(each, "optional", False))
        for each in described
    ]


def _datatype(value: int) -> str:
    """As the wire has it: TYPE_STRING of a configuration is BYTES there."""
    name: str = DataType.Name(value).removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name
