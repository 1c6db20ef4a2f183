"""Files, command line and environment of an embedded Triton: pure configuration, no process is started here.

The wheel nvidia-pytriton carries the server, the Python backend and a stub for each Python; the backend folder
must hold the stub of the running Python, so a folder with both is assembled.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from gateway.processes.child import without_settings
from gateway.triton.client import restricted_protocols

SHARED_MEMORY = Path("/dev/shm")
OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_PORT, HIGHEST_PORT = 10_000, 32_768
SHM_OWNER = "stt-triton"  # prefixes are <owner>-<pid>-<number>_


class TritonFailed(Exception):
    """The embedded Triton cannot be started; the message says why and what helps."""


@dataclass(frozen=True, slots=True)
class TritonWheel:
    """Paths inside the installed nvidia-pytriton package."""

    server: Path  # …/pytriton/tritonserver
    libraries: Path  # …/nvidia_pytriton.libs

    @classmethod
    def find(cls) -> TritonWheel:
        """Raises TritonFailed if the wheel is not installed."""
        spec = find_spec("pytriton")
        if spec is None or spec.origin is None:
            raise TritonFailed("Triton is not installed; `pip install 'stt[serving]'` brings it (nvidia-pytriton)")
        package = Path(spec.origin).parent
        return cls(package / "tritonserver", package.parent / "nvidia_pytriton.libs")

    @property
    def binary(self) -> Path:
        return self.server / "bin" / "tritonserver"

    def stub(self) -> Path:
        """The Python backend's process for the running Python. Raises TritonFailed if there is none."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stub = self.server / "python_backend_stubs" / version / "triton_python_backend_stub"
        if not stub.is_file():
            known = ", ".join(sorted(path.name for path in stub.parent.parent.iterdir()))
            raise TritonFailed(f"Triton has no Python {version}; run the service with one of {known}")
        return stub


@dataclass(frozen=True, slots=True)
class TritonConfig:
    """One embedded Triton."""

    repository: Path
    models: tuple[str, ...]  # loaded at the start, others are not
    work: Path  # working folder of its own, with the backends
    shm_prefix: str  # of its regions under /dev/shm, unique to it
    grpc_port: int
    metrics_port: int
    control_key: str  # asked of those who load models
    exit_seconds: int = 30  # for requests in flight when it stops
    parameters: Mapping[str, str] = field(default_factory=dict)  # environment for the models


def arguments(config: TritonConfig, wheel: TritonWheel) -> list[str]:
    """The command line of tritonserver: loopback only, models by name, nothing else on."""
    return [
        str(wheel.binary),
        f"--model-repository={config.repository.resolve()}",
        f"--backend-directory={config.work / 'backends'}",
        f"--cache-directory={wheel.server / 'caches'}",
        f"--backend-config=python,shm-region-prefix-name={config.shm_prefix}",
        "--disable-auto-complete-config",
        "--model-control-mode=explicit",
        *(f"--load-model={model}" for model in config.models),
        "--allow-http=false",
        "--grpc-address=127.0.0.1",
        restricted_protocols(config.control_key),
        f"--grpc-port={config.grpc_port}",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={config.metrics_port}",
        "--allow-gpu-metrics=false",
        "--pinned-memory-pool-byte-size=0",
        f"--exit-timeout-secs={config.exit_seconds}",
    ]


def environment(config: TritonConfig, wheel: TritonWheel, inherited: Mapping[str, str]) -> dict[str, str]:
    """The server's environment: the stub finds its Python by PATH and its libraries by LD_LIBRARY_PATH."""
    own = [str(wheel.libraries), sysconfig.get_config_var("LIBDIR") or ""]
    old = inherited.get("LD_LIBRARY_PATH", "")
    return {
        **without_settings(inherited),
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait must not burn the cores that others compute on
        **config.parameters,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
        "LD_LIBRARY_PATH": os.pathsep.join(part for part in [*own, old] if part),
    }


def install_backend(work: Path, wheel: TritonWheel) -> Path:
    """Assembles the Python backend's folder; returns the stub in it."""
    backend = work / "backends" / "python"
    backend.mkdir(parents=True, exist_ok=True)
    source = wheel.server / "backends" / "python"
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        shutil.copy2(source / name, backend / name)
    stub = Path(shutil.copy2(wheel.stub(), backend / "triton_python_backend_stub"))
    stub.chmod(0o755)
    return stub


def check_libraries(stub: Path, environment: Mapping[str, str]) -> None:
    """Raises TritonFailed if the stub cannot be loaded: Triton would wait for it forever."""
    listed = subprocess.run(["ldd", str(stub)], env=dict(environment), capture_output=True, text=True, check=False)
    missing = [line.split("=>")[0].strip() for line in listed.stdout.splitlines() if "not found" in line]
    if missing:
        lacking = ", ".join(missing)
        raise TritonFailed(f"Triton's Python backend lacks {lacking}; the Python in use may have no libpython")


def check_models(repository: Path, models: Sequence[str]) -> None:
    """Raises TritonFailed for a model whose folder is not there."""
    for model in models:
        if not (repository / model / "config.pbtxt").is_file():
            raise TritonFailed(f"{repository} has no model {model} (no config.pbtxt in its folder)")


def shm_prefix(number: int) -> str:
    """A prefix for the shared memory of this process's Triton number `number`."""
    return f"{SHM_OWNER}-{os.getpid()}-{number}_"


def clean_shared_memory(prefix: str, folder: Path = SHARED_MEMORY) -> list[str]:
    """Removes what a dead Triton left behind; returns the names."""
    left = [path for path in folder.glob("*") if path.name.startswith(prefix)]
    for path in left:
        path.unlink(missing_ok=True)
    return [path.name for path in left]


def work_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for one Triton; it names its owner, so that `clean_orphans` finds what a killed one leaves."""
    return tempfile.TemporaryDirectory(prefix=f"{SHM_OWNER}-{os.getpid()}-")


def clean_orphans(folder: Path) -> list[str]:
    """Removes shared memory or work folders of Tritons whose gateway is gone; returns the names."""
    removed: list[str] = []
    for path in folder.glob(f"{SHM_OWNER}-*"):
        owner = path.name.removeprefix(f"{SHM_OWNER}-").split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on at the moment.

    They are not of the range that the kernel takes for outgoing connections: one of those could have the port before
    the server has it.
    """
    lowest_outgoing = int(OUTGOING_PORTS.read_text().split()[0]) if OUTGOING_PORTS.exists() else HIGHEST_PORT
    candidates = range(LOWEST_PORT, max(lowest_outgoing, LOWEST_PORT + 1000))
    found: list[int] = []
    for port in random.SystemRandom().sample(candidates, len(candidates)):
        if len(found) == count:
            break
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found
