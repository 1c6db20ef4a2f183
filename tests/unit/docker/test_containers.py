"""The images' and compose files' form; tests/e2e/test_compose.py runs what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from export.sizes import PUBLISHED, published
from speech.whisper.gpu.artifacts import USUAL_SLOTS
from speech.whisper.gpu.memory_plan import footprint
from tests.e2e.compose_files import COMPOSE, DOCKER, Compose, read_stages

ROOT = DOCKER.parent
BIN = Path(sys.executable).parent
LOCKS = sorted((ROOT / "requirements").glob("container-*.txt"))
FILES = [Compose.read(path) for path in COMPOSE]
SERVICES = [pytest.param(s, id=f"{p.stem}-{n}") for p in COMPOSE for n, s in Compose.read(p).services.items()]


def test_the_compose_files_follow_the_specification() -> None:
    command: list[str | Path] = [
        BIN / "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        *COMPOSE,
        DOCKER / "services.yaml",
    ]

    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


def test_the_containerfile_passes_its_linter() -> None:
    checked = subprocess.run([BIN / "hadolint", DOCKER / "Containerfile"], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_has_more_rights_than_it_needs(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    assert service["mem_limit"] and service["pids_limit"]
    assert not service.keys() & {"privileged", "network_mode", "pid", "ipc", "cap_add"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_watched_unless_it_ends_by_itself(service: dict[str, Any]) -> None:
    assert "healthcheck" in service or service["restart"] == "no"


@pytest.mark.parametrize("compose", FILES, ids=["cpu", "gpu"])
def test_only_the_gateway_can_be_published(compose: Compose) -> None:
    published = {name: service["ports"] for name, service in compose.services.items() if "ports" in service}

    assert published == {"gateway": ["127.0.0.1:8080:8080"], "grafana": ["127.0.0.1:3000:3000"]}
    assert compose.content["networks"]["inside"]["internal"] is True
    for name in ("triton", "postgres", "prometheus"):
        assert compose.services[name]["networks"] == ["inside"]


@pytest.mark.parametrize("compose", FILES, ids=["cpu", "gpu"])
def test_what_a_service_uses_is_declared(compose: Compose) -> None:
    for service in compose.services.values():
        named = {volume.split(":")[0] for volume in service.get("volumes", ()) if not volume.startswith(".")}
        assert named <= compose.content["volumes"].keys()
        assert set(service.get("secrets", ())) <= compose.content["secrets"].keys()
        assert set(service["networks"]) <= compose.content["networks"].keys()
        assert set(service.get("depends_on", ())) <= compose.services.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_pinned_or_built_here(service: dict[str, Any]) -> None:
    if "build" in service:
        stage = read_stages()[service["build"]["target"]]
        assert stage.user == service["user"]
        assert stage.command[0] == service.get("command", stage.command)[0]
    else:
        assert re.search(r":v?\d+\.\d+", service["image"])


def test_every_secret_is_drawn_and_none_is_written_down(tmp_path: Path) -> None:
    for _ in range(2):  # the second time changes nothing
        subprocess.run([DOCKER / "secrets.sh", tmp_path / "secrets"], check=True)
        drawn = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    assert drawn.keys() == FILES[0].content["secrets"].keys() == FILES[1].content["secrets"].keys()
    assert len(set(drawn.values())) == len(drawn)
    assert drawn["postgres_password"] in drawn["stt_accounts_database"]
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_every_package_by_hash(lock: Path) -> None:
    entries = re.split(r"\n(?=\S)", lock.read_text())

    assert entries
    assert all(re.match(r"[\w.\[\]-]+==\S+ \\\n +--hash=sha256:", entry) for entry in entries)
    assert "://" not in lock.read_text()


def test_images_run_the_versions_that_the_tests_run() -> None:
    tested = pins(ROOT / "requirements" / "service.txt")
    for lock in LOCKS:
        if "gpu" not in lock.name:
            assert pins(lock).items() <= tested.items()


def test_engines_are_built_by_the_tensorrt_that_runs_them() -> None:
    builds, runs = (pins(ROOT / "requirements" / f"container-{name}-gpu.txt") for name in ("export", "triton"))

    assert builds["tensorrt"] == runs["tensorrt"]


@pytest.mark.parametrize("model", PUBLISHED)
def test_whisper_leaves_vllm_its_share_of_the_smallest_a100(model: str) -> None:
    services, card = FILES[1].services, 40e9
    (vllm,) = (flag.split("=")[1] for flag in services["summarizer"]["command"] if "memory-utilization" in flag)
    needs = footprint(published(model))
    free = card - needs.weights
    besides = min(needs.encoded + needs.scratch + USUAL_SLOTS * needs.slot, free * float(
        services["triton"]["environment"]["WHISPER_GPU_MEMORY"]
    ))  # fmt: skip

    assert needs.weights + besides + float(vllm) * card < 0.95 * card
    assert services["summarizer"]["depends_on"] == {"triton": {"condition": "service_healthy"}}


def test_the_gateways_image_has_neither_torch_nor_triton() -> None:
    assert not pins(ROOT / "requirements" / "container-gateway.txt").keys() & {"torch", "nvidia-pytriton", "numba"}


def test_everything_that_is_copied_is_let_into_the_build() -> None:
    text = (DOCKER / "Containerfile").read_text()
    sources = {
        part for line in re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE) for part in line.split()[:-1]
    }
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    for source in sources - {"--chmod=755"}:
        assert (ROOT / source).exists()
        assert any(Path(source).is_relative_to(path) for path in let_in)


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", lock.read_text(), flags=re.MULTILINE))
