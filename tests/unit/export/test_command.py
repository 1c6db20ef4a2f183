"""The command line of the export, and what the Makefile asks of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from export import __main__ as command
from export.whisper import ExportRequest
from speech.installation import model_repository, weights_folder


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[ExportRequest]:
    """What is exported, instead of exporting it."""
    requests: list[ExportRequest] = []
    monkeypatch.setattr(command, "export_whisper", requests.append)
    monkeypatch.setattr(command, "export_diarizer", lambda *_, **__: None)
    monkeypatch.setattr(command, "is_current", lambda _: True)
    return requests


@pytest.mark.parametrize(("name", "target"), [("cpu", "cpu"), ("onnx", "cpu"), ("cuda", "cuda")])
def test_a_target_is_chosen_by_its_name_or_its_old_one(name: str, target: str, requests: list[ExportRequest]) -> None:
    assert command.main(["whisper", "--target", name]) == 0

    assert [request.target.name for request in requests] == [target]


@pytest.mark.parametrize(("flags", "fetched"), [([], 1), (["--no-summarizer"], 0)])
def test_setup_fetches_the_summarizer_unless_it_is_told_not_to(
    flags: list[str], fetched: int, requests: list[ExportRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches: list[object] = []
    monkeypatch.setattr(command, "fetch_summarizer", lambda *arguments: fetches.append(arguments))

    assert command.main(["setup", *flags]) == 0

    assert len(fetches) == fetched
    assert [request.model for request in requests] == ["base"]


def test_weights_and_models_are_the_installations_from_wherever_it_is_run(
    requests: list[ExportRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert command.main(["whisper"]) == 0

    assert (requests[0].data, requests[0].repository) == (weights_folder(), model_repository())
    assert requests[0].repository.is_absolute()
