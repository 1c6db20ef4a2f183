from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gateway.triton import process as triton_process
from gateway.triton.process import TritonConfig, TritonFailed, TritonWheel, arguments, environment

WHEEL = TritonWheel(Path("/site/pytriton/tritonserver"), Path("/site/nvidia_pytriton.libs"))


def config(**fields: object) -> TritonConfig:
    known: dict[str, object] = {
        "repository": Path("/models"),
        "models": ("whisper-base", "diarizer"),
        "work": Path("/work"),
        "shm_prefix": "mine_",
        "grpc_port": 9001,
        "metrics_port": 9002,
        "control_key": "drawn",
    }
    return TritonConfig(**known | fields)  # type: ignore[arg-type]


def test_the_command_line_serves_the_named_models_on_loopback_only() -> None:
    line = arguments(config(), WHEEL)
    assert line[0] == "/site/pytriton/tritonserver/bin/tritonserver"
    assert "--model-control-mode=explicit" in line
    assert [each for each in line if each.startswith("--load-model=")] == [
        "--load-model=whisper-base",
        "--load-model=diarizer",
    ]
    assert {"--grpc-address=127.0.0.1", "--grpc-port=9001", "--allow-http=false"} <= set(line)
    assert {"--metrics-address=127.0.0.1", "--metrics-port=9002"} <= set(line)
    assert "--backend-config=python,shm-region-prefix-name=mine_" in line
    assert "--backend-directory=/work/backends" in line
    assert "--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:stt-control=drawn" in line


def test_a_relative_repository_is_made_absolute() -> None:
    line = arguments(config(repository=Path("model_repository")), WHEEL)
    assert f"--model-repository={Path.cwd() / 'model_repository'}" in line


def test_the_environment_leads_the_stub_to_its_python_and_libraries() -> None:
    inherited = {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/cuda", "HOME": "/root", "STT_ACCOUNTS_DATABASE": "secret"}
    variables = environment(config(parameters={"WHISPER_THREADS": "3"}), WHEEL, inherited)
    assert variables["PATH"].endswith(f"{os.pathsep}/usr/bin")
    assert (Path(variables["PATH"].split(os.pathsep)[0]) / "python3").exists()
    libraries = variables["LD_LIBRARY_PATH"].split(os.pathsep)
    assert (libraries[0], libraries[-1]) == ("/site/nvidia_pytriton.libs", "/cuda")
    assert "" not in libraries
    assert (variables["HOME"], variables["WHISPER_THREADS"]) == ("/root", "3")
    assert "secret" not in variables.values()


def test_the_backend_folder_is_put_together_with_a_stub_that_finds_its_libraries(tmp_path: Path) -> None:
    wheel = TritonWheel.find()
    stub = triton_process.install_backend(tmp_path, wheel)
    assert {path.name for path in stub.parent.iterdir()} == {
        "libtriton_python.so",
        "triton_python_backend_utils.py",
        "triton_python_backend_stub",
    }
    assert os.access(stub, os.X_OK)
    triton_process.check_libraries(stub, environment(config(), wheel, os.environ))


def test_a_stub_without_its_libraries_is_told_instead_of_waited_for(tmp_path: Path) -> None:
    stub = triton_process.install_backend(tmp_path, TritonWheel.find())
    with pytest.raises(TritonFailed, match=r"lib\w+"):
        triton_process.check_libraries(stub, {"PATH": os.environ["PATH"]})


def test_a_model_without_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(TritonFailed, match="whisper-base"):
        triton_process.check_models(tmp_path, ["whisper-base"])


def test_only_the_shared_memory_of_the_prefix_is_removed(tmp_path: Path) -> None:
    for name in ("mine_1", "mine_2", "other_1"):
        (tmp_path / name).touch()
    assert sorted(triton_process.clean_shared_memory("mine_", tmp_path)) == ["mine_1", "mine_2"]
    assert [path.name for path in tmp_path.iterdir()] == ["other_1"]


def test_only_what_processes_that_are_gone_left_is_removed(tmp_path: Path) -> None:
    gone = 2**22 + 1  # above the kernel's largest process id
    for name in (f"stt-triton-{gone}-1_a", f"stt-triton-{os.getpid()}-1_b", "stt-triton-x_c", "PostgreSQL.1"):
        (tmp_path / name).touch()
    (tmp_path / f"stt-triton-{gone}-work" / "backends").mkdir(parents=True)
    removed = triton_process.clean_orphans(tmp_path)
    assert sorted(removed) == [f"stt-triton-{gone}-1_a", f"stt-triton-{gone}-work"]
    assert not any(str(gone) in path.name for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 3


def test_free_ports_are_different_and_free() -> None:
    ports = triton_process.free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()
