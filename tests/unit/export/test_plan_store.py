"""What one machine has built, others take: whole, of the same card, or not at all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export import whisper
from export.download import sha256_of
from export.plan_store import FolderStore, InvalidPlans, ObjectStore, PlanKey, PlanStore, open_plan_store
from export.sources import LoadedWeights
from export.targets import CUDA, FLOAT16, GPU_OPSET, Target
from export.weights import Weights
from export.whisper import ExportRequest, export_whisper
from speech.whisper.manifest import RANDOM, Compiled, Manifest, Source, read_manifest, write_manifest
from tests.unit.export.small_whispers import dimensions, opened
from tests.unit.speech.whisper.gpu.toy_decoder import manifest

A100 = Compiled("11.4.0.106", "8.0", "NVIDIA A100-SXM4-80GB", 108)
SLICE = replace(A100, card="NVIDIA A100-SXM4-80GB MIG 2g.20gb", multiprocessors=28)


class CountingTarget:
    """Stands for TensorRT on some card: writes a file and counts how often."""

    def __init__(self, compiled: Compiled | None, name: str = "tensorrt") -> None:
        self.built = 0
        self.target = Target(name, FLOAT16, GPU_OPSET, self.write, compiled)

    def write(self, weights: Weights, described: Manifest, folder: Path) -> dict[str, float]:
        self.built += 1
        (folder / "step.plan").write_text(f"of {described.tensorrt}")
        return {}


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedWeights:
    (tmp_path / "source").mkdir()
    source = opened(Weights(dimensions(64, (1, 1)), {}, ((0, 0),)), tmp_path / "source")
    monkeypatch.setattr(whisper, "load_weights", lambda *_: source)
    monkeypatch.setattr(whisper, "pinned_sha256", lambda *_: source.source.sha256)
    return source


@pytest.fixture(params=["folder", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where plans are kept."""
    folder = tmp_path / "plans"
    folder.mkdir()
    return str(folder) if request.param == "folder" else f"file://{folder}"


@pytest.fixture
def order(loaded: LoadedWeights, place: str, tmp_path: Path) -> Callable[[str, Target], ExportRequest]:
    """Of one of several machines that share a store."""
    plans = open_plan_store(place)

    def ordered(machine: str, target: Target) -> ExportRequest:
        return ExportRequest("base", "package", tmp_path / "data", tmp_path / machine, target=target, plans=plans)

    return ordered


def test_the_second_machine_takes_what_the_first_built(order: Callable[[str, Target], ExportRequest]) -> None:
    first, second = CountingTarget(A100), CountingTarget(A100)

    built, taken = export_whisper(order("one", first.target)), export_whisper(order("two", second.target))

    assert (first.built, second.built) == (1, 0)
    assert {path.name: sha256_of(path) for path in built.iterdir()} == {
        path.name: sha256_of(path) for path in taken.iterdir()
    }


def test_a_part_of_a_card_is_another_card(order: Callable[[str, Target], ExportRequest]) -> None:
    whole, part = CountingTarget(A100), CountingTarget(SLICE)

    for machine, target in (("one", whole), ("two", part)):
        export_whisper(order(machine, target.target))

    assert (whole.built, part.built) == (1, 1)


def test_graphs_serve_until_there_is_a_plan(
    order: Callable[[str, Target], ExportRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs, plan = CountingTarget(None, CUDA.name), CountingTarget(A100)
    monkeypatch.setattr(whisper, "CUDA", graphs.target)
    serving = replace(order("serving", plan.target), building=False)

    before = read_manifest(export_whisper(serving)).target
    export_whisper(order("job", plan.target))
    after = read_manifest(export_whisper(serving)).target

    assert (before, after) == ("cuda", "tensorrt")
    assert (graphs.built, plan.built) == (1, 1)


def test_what_is_not_what_its_name_says_is_refused(place: str, tmp_path: Path) -> None:
    store, export = open_plan_store(place), tmp_path / "export"
    export.mkdir()
    (export / "step.plan").write_text("a plan")
    described = replace(
        manifest(), precision=FLOAT16, tensorrt=A100, files={"step.plan": sha256_of(export / "step.plan")}
    )
    write_manifest(described, export)
    name = store.publish(export)

    (tmp_path / "plans" / name / "step.plan").write_text("another")
    with pytest.raises(InvalidPlans, match=r"step\.plan is missing or broken"):
        store.fetch(PlanKey.of(described), tmp_path)
    (tmp_path / "plans" / name / "step.plan").unlink()
    with pytest.raises(InvalidPlans, match=r"step\.plan is missing or broken"):
        store.fetch(PlanKey.of(described), tmp_path)


def test_a_plan_that_is_not_whole_yet_is_not_there(place: str, tmp_path: Path) -> None:
    key = PlanKey.of(replace(manifest(), precision=FLOAT16, tensorrt=A100))
    entry, taken = tmp_path / "plans" / key.name, tmp_path / "taken"
    entry.mkdir(parents=True)
    taken.mkdir()
    (entry / "step.plan").write_text("stored before the manifest")

    assert not open_plan_store(place).fetch(key, taken)
    assert not list(taken.iterdir())
    assert key.name.endswith("/tensorrt-float16/11.4.0.106/NVIDIA-A100-SXM4-80GB-8.0-108")


def test_noise_is_never_stored(tmp_path: Path) -> None:
    write_manifest(replace(manifest(), source=Source("noise", RANDOM, "none", "0" * 64)), tmp_path)

    with pytest.raises(InvalidPlans, match="never served"):
        PlanStore(FolderStore(tmp_path / "plans")).publish(tmp_path)


@pytest.mark.parametrize(("url", "said"), [("ftp://plans", "ftp://plans"), ("s3://", "s3://")])
def test_an_address_that_is_no_store_is_told(url: str, said: str) -> None:
    with pytest.raises(InvalidPlans, match=said):
        open_plan_store(url)


def test_without_the_package_for_object_stores_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)

    with pytest.raises(InvalidPlans, match="need the package `obstore`"):
        open_plan_store("s3://bucket/plans")


def test_a_store_that_does_not_answer_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    files = ObjectStore("s3://bucket/plans")
    (tmp_path / "step.plan").write_text("a plan")

    with pytest.raises(InvalidPlans, match=r"manifest\.json: "):
        files.fetch("manifest.json", tmp_path / "manifest.json")
    with pytest.raises(OSError, match=r"step\.plan: "):
        files.store(tmp_path / "step.plan", "step.plan")
