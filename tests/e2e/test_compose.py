"""The services of compose.cpu.yaml as processes: their commands, environments, secrets and health checks as they
stand, only paths and addresses translated to this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.postgres import running_postgres
from gateway.triton import canary
from gateway.triton.layout import lay_out
from gateway.triton.process import TritonWheel, clean_shared_memory, free_ports
from tests.e2e.compose_files import DOCKER, Compose, read_stages

COMPOSE = Compose.read(DOCKER / "compose.cpu.yaml")
REPOSITORY = DOCKER.parent / "model_repository"
BIN = Path(sys.executable).parent
START_SECONDS = 180  # a start that hangs must fail, not block the suite

# Triton's own, which it shows where it finds a GPU: triton-inference-server's user guide, "Metrics".
GPU_METRICS = {"nv_gpu_utilization", "nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes", "whisper_cuda_graphs"}
PROMETHEUS_OWN = {"up"}


@dataclass(frozen=True)
class Machine:
    """Stands for Docker: a container's addresses and paths, and where they are here."""

    folder: Path
    ports: dict[str, int]  # "triton:8001" → a free port

    @classmethod
    def prepare(cls, folder: Path) -> Machine:
        for name in ("data", "cache", "secrets"):
            (folder / name).mkdir()
        lay_out(folder / "tritonserver", TritonWheel.find())
        subprocess.run([DOCKER / "secrets.sh", folder / "secrets"], check=True)
        names = ("triton:8001", "triton:8002", "gateway:8080", "gateway:9100")
        return cls(folder, dict(zip(names, free_ports(len(names)), strict=True)))

    def translate(self, service: str, text: str) -> str:
        """The compose file's text for this machine."""
        own = [(f"127.0.0.1:{n.split(':')[1]}", p) for n, p in self.ports.items() if n.startswith(f"{service}:")]
        for name, port in (*self.ports.items(), *own):
            text = text.replace(name, f"127.0.0.1:{port}")
        paths = {"/models": REPOSITORY, "/data": self.folder / "data", "/cache": self.folder / "cache"}
        layout = {"/opt/tritonserver": self.folder / "tritonserver", "/opt/stt/bin": BIN}
        for path, here in (paths | layout).items():
            text = re.sub(rf"{path}\b", str(here), text)
        return text

    def environment(self, service: str, stage: str) -> dict[str, str]:
        """The image's variables, then the compose file's."""
        given = read_stages()[stage].environment | COMPOSE.services[service].get("environment", {})
        values = {name: self.translate(service, str(value)) for name, value in given.items()}
        values = {name: value.replace("$PATH", os.environ["PATH"]) for name, value in values.items()}
        return {name: value for name, value in os.environ.items() if not name.startswith("STT_")} | values

    def check_health(self, service: str) -> bool:
        kind, *command = COMPOSE.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        translated = [self.translate(service, part) for part in command]
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(translated, capture_output=True, check=False, env=environment).returncode == 0

    @contextmanager
    def run(self, service: str, command: list[str], environment: dict[str, str]) -> Iterator[Path]:
        """Healthy inside the block; yields its log."""
        log = self.folder / f"{service}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=self.folder)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not self.check_health(service):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-4000:]
                time.sleep(0.5)
            yield log
            process.terminate()
            assert process.wait(timeout=60) == 0, log.read_text()[-4000:]
        finally:
            process.kill()
            process.wait()


def run_triton(machine: Machine) -> Any:
    """Its ports and folders are the defaults in a container; here they have to be said."""
    prefix = f"stt-compose-{os.getpid()}_"
    clean_shared_memory(prefix)
    layout = machine.folder / "tritonserver"
    ports = zip(("grpc", "metrics"), (8001, 8002), strict=True)
    here = [
        f"--backend-directory={layout}/backends",
        f"--cache-directory={layout}/caches",
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        *(f"--{kind}-address=127.0.0.1" for kind in ("grpc", "metrics")),
        *(f"--{kind}-port={machine.ports[f'triton:{port}']}" for kind, port in ports),
    ]
    command = [machine.translate("triton", part) for part in COMPOSE.services["triton"]["command"]]
    environment = machine.environment("triton", "triton-cpu")
    environment["LD_LIBRARY_PATH"] += f":{sysconfig.get_config_var('LIBDIR')}"
    environment["PATH"] = f"{layout / 'bin'}{os.pathsep}{environment['PATH']}"
    environment["STT_SECRETS"] = str(machine.folder / "secrets")
    assert command[0] == "stt-triton"
    return machine.run("triton", [str(DOCKER / "triton.sh"), *command[1:], *here], environment)


def run_gateway(machine: Machine, database: str) -> Any:
    drawn = machine.folder / "secrets"
    (drawn / "stt_accounts_database").chmod(0o600)
    (drawn / "stt_accounts_database").write_text(database)
    environment = machine.environment("gateway", "gateway")
    ports = {"STT_SERVER_PORT": "gateway:8080", "STT_SERVER_METRICS_PORT": "gateway:9100"}
    environment |= {name: str(machine.ports[port]) for name, port in ports.items()}
    environment |= {"STT_SECRETS": str(drawn), "STT_SERVER_HOST": "127.0.0.1"}
    command = read_stages()["gateway"].command
    return machine.run("gateway", [str(BIN / command[0]), *command[1:]], environment)


@dataclass(frozen=True)
class Deployment:
    url: str
    triton: str  # its gRPC address
    metrics: str  # of Triton and the gateway, one after the other

    def metric_names(self) -> set[str]:
        return set(re.findall(r"^([a-z_]+)[{ ]", self.metrics, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, dashwood: Path) -> Iterator[Deployment]:
    """Ready, and one recording transcribed."""
    machine = Machine.prepare(tmp_path_factory.mktemp("compose"))
    with ExitStack() as stack:
        database = stack.enter_context(running_postgres())
        stack.enter_context(run_triton(machine))
        stack.enter_context(run_gateway(machine, database))
        url = f"http://127.0.0.1:{machine.ports['gateway:8080']}"
        answer = httpx.post(f"{url}/v1/transcribe", files={"file": dashwood.open("rb")}, timeout=300)
        assert "leisure to consider" in answer.json()["text"], answer.text
        assert answer.json()["speakers"]
        time.sleep(2)  # Triton's own metrics follow every second
        ports = (machine.ports["triton:8002"], machine.ports["gateway:9100"])
        yield Deployment(
            url,
            f"127.0.0.1:{machine.ports['triton:8001']}",
            "\n".join(httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in ports),
        )


def test_the_compose_files_commands_transcribe_a_recording(deployment: Deployment) -> None:
    assert httpx.get(f"{deployment.url}/health").json()["status"] == "ok"
    assert 'stt_requests_total{route="/v1/transcribe",status="200"} 1.0' in deployment.metrics


def test_the_canarys_five_recordings_are_heard_by_what_is_deployed(deployment: Deployment, tmp_path: Path) -> None:
    """Only the time is another than on a GPU."""
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([DOCKER / "canary.sh", DOCKER.parent / "tests" / "data", tmp_path], check=True, env=environment)

    asked = [deployment.triton, "whisper-base", "--folder", str(tmp_path), "--seconds", "60"]
    assert canary.main(asked) == 0
    assert canary.main([*asked, "--errors", "-1"]) == 1


def test_callers_find_no_metrics_on_the_public_port(deployment: Deployment) -> None:
    assert httpx.get(f"{deployment.url}/metrics").status_code == 404


def test_every_metric_of_dashboard_and_rules_is_one_that_is_there(deployment: Deployment) -> None:
    board = json.loads((DOCKER / "grafana/dashboards/stt.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += re.findall(r"expr: (.+?)\n +for:", (DOCKER / "prometheus/alerts.yaml").read_text(), flags=re.DOTALL)
    asked = set[str]().union(*(names_in(query) for query in queries))

    assert asked
    assert asked <= deployment.metric_names() | GPU_METRICS | PROMETHEUS_OWN


def test_every_triton_metric_that_is_named_elsewhere_is_one_that_is_there(deployment: Deployment) -> None:
    texts = [path.read_text() for path in DOCKER.rglob("*.yaml")]
    named = {name for text in texts for name in re.findall(r"\b(?:whisper|nv)_[a-z_]+\b", text)}

    assert named <= deployment.metric_names() | GPU_METRICS


def names_in(query: str) -> set[str]:
    """The metrics of a PromQL expression: words that are neither functions, labels nor strings."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)|\band\b", "", query)
    return set(re.findall(r"\b[a-z_]{2,}\b(?!\s*\()", bare))
