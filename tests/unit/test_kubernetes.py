"""The Kubernetes manifests against Kubernetes' own schemas, and against what they run."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import kubernetes_validate
import pytest
import yaml

from gateway.app import create_app
from gateway.settings import Settings
from gateway.triton.process import TritonConfig, TritonWheel, arguments
from speech.tensors import GPU_METRIC
from speech.whisper.serving import SchedulerMetrics, ServingOptions

KUBERNETES = Path(__file__).parents[2] / "docker" / "kubernetes"
VERSION = "1.31"  # the oldest that is supported; later ones take the same
Resource = dict[str, Any]


def kustomization(folder: Path) -> Resource:
    read: Resource = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return read


def base() -> list[Resource]:
    files = kustomization(KUBERNETES / "base")["resources"]
    texts = [(KUBERNETES / "base" / name).read_text(encoding="utf-8") for name in files]
    return [document for text in texts for document in yaml.safe_load_all(text)]


BASE = base()
SECRET = "stt"  # an overlay makes it


def of_kind(*kinds: str) -> list[Resource]:
    return [each for each in BASE if each["kind"] in kinds]


def named(kind: str, name: str) -> Resource:
    (found,) = (each for each in of_kind(kind) if each["metadata"]["name"] == name)
    return found


def workloads() -> list[Resource]:
    return of_kind("Deployment", "StatefulSet")


def pod(workload: Resource) -> Resource:
    template: Resource = workload["spec"]["template"]
    return template


def containers(workload: Resource) -> list[Resource]:
    spec = pod(workload)["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def ports(workload: Resource) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in containers(workload) for port in each.get("ports", ())}


def selected(labels: dict[str, str]) -> Resource:
    """The workload whose pods have these labels."""
    (found,) = (each for each in workloads() if labels.items() <= pod(each)["metadata"]["labels"].items())
    return found


def title(resource: Resource) -> str:
    return f"{resource['kind']}-{resource['metadata']['name']}"


@pytest.mark.parametrize("resource", BASE, ids=title)
def test_each_resource_is_what_kubernetes_takes(resource: Resource) -> None:
    kubernetes_validate.validate(resource, VERSION, strict=True)


def test_the_schemas_refuse_what_is_wrong() -> None:
    wrong = copy.deepcopy(named("StatefulSet", "triton"))
    wrong["spec"]["template"]["spec"]["terminationGrace"] = 5
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.parametrize("workload", workloads(), ids=title)
def test_no_container_is_root_or_may_write_but_to_its_volumes(workload: Resource) -> None:
    spec = pod(workload)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["automountServiceAccountToken"] is False
    volumes = {volume["name"] for volume in spec["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())}
    for container in containers(workload):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_every_selector_finds_its_pods_and_every_port_is_listened_on() -> None:
    for workload in workloads():
        assert selected(workload["spec"]["selector"]["matchLabels"]) is workload
        scraped = pod(workload)["metadata"]["annotations"]["prometheus.io/port"]
        assert int(scraped) in ports(workload).values()
    for service in of_kind("Service"):
        listening = ports(selected(service["spec"]["selector"]))
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            assert target in (listening if isinstance(target, str) else listening.values())
    for budget in of_kind("PodDisruptionBudget"):
        assert selected(budget["spec"]["selector"]["matchLabels"])
    for scaler in of_kind("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert "replicas" not in named(target["kind"], target["name"])["spec"]
    for ingress in of_kind("Ingress"):
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        assert backend["port"]["name"] in {port["name"] for port in named("Service", backend["name"])["spec"]["ports"]}


def test_the_network_lets_through_what_is_listened_on_and_called() -> None:
    for policy in of_kind("NetworkPolicy"):
        labels = policy["spec"]["podSelector"].get("matchLabels")
        for rule in policy["spec"].get("ingress", ()):
            assert {port["port"] for port in rule["ports"]} <= set(ports(selected(labels)).values())
        for rule in policy["spec"].get("egress", ()):
            for peer in rule.get("to", ()):
                callee = selected(peer["podSelector"]["matchLabels"])
                assert {port["port"] for port in rule["ports"]} <= set(ports(callee).values())
    assert {8001, 8002, 8000} <= allowed("gateway", "egress")
    for name in ("triton", "gateway", "summarizer"):
        workload = selected({"app.kubernetes.io/name": name})
        assert set(ports(workload).values()) == allowed(name, "ingress")


def allowed(name: str, direction: str) -> set[int]:
    rules = named("NetworkPolicy", name)["spec"][direction]
    return {port["port"] for rule in rules for port in rule["ports"]}


def gateway_settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in named("ConfigMap", "gateway")["data"].items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_the_gateway_is_given_settings_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {f"STT_{g}_{n}".upper() for g, f in Settings.model_fields.items() for n in f.annotation.model_fields}  # type: ignore[union-attr]
    assert named("ConfigMap", "gateway")["data"].keys() <= known | {"SUMMARIZER_URL"}
    overlay = kustomization(KUBERNETES / "overlays" / "example")
    told = [line for each in overlay["configMapGenerator"] for line in each["literals"]]
    assert {line.split("=")[0] for line in told} <= known
    example = (KUBERNETES / "overlays" / "example" / "secrets.env.example").read_text(encoding="utf-8")
    assert {line.split("=")[0].upper() for line in example.splitlines()} <= known
    assert overlay["secretGenerator"][0]["name"] == SECRET


def test_the_gateway_calls_services_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = gateway_settings(monkeypatch)
    callees = [*settings.triton.urls, settings.summarizer.url.removeprefix("http://")]
    for host, port in (callee.split(":") for callee in callees):
        assert int(port) in {each["port"] for each in named("Service", host)["spec"]["ports"]}
    listening = ports(named("Deployment", "gateway"))
    assert listening == {"http": settings.server.port, "metrics": settings.server.metrics_port}
    assert settings.triton.metrics_port == ports(named("StatefulSet", "triton"))["metrics"]


def test_there_is_time_to_finish_before_the_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    server = gateway_settings(monkeypatch).server
    grace = pod(named("Deployment", "gateway"))["spec"]["terminationGracePeriodSeconds"]
    assert grace >= server.drain_seconds + server.shutdown_seconds + 10
    triton = pod(named("StatefulSet", "triton"))["spec"]
    (limit,) = (flag for flag in triton["containers"][0]["command"] if flag.startswith("--exit-timeout-secs="))
    seconds = int(limit.split("=")[1])
    assert triton["terminationGracePeriodSeconds"] >= seconds + 10
    assert seconds > ServingOptions().grace


def test_triton_is_started_like_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    models = ("whisper-large-v3-turbo", "diarizer")
    config = TritonConfig(Path("/models"), models, Path("/w"), "", 8001, 8002, "KEY", 30)
    embedded = set(arguments(config, TritonWheel(Path("/t"), Path("/l"))))
    command = containers(named("StatefulSet", "triton"))[1]["command"]
    assert set(command[1:]) <= embedded
    left_out = {flag.split("=")[0] for flag in embedded - set(command)}
    addresses = {"--grpc-address", "--grpc-port", "--metrics-address", "--metrics-port"}  # Triton's own are right
    image = {"/t/bin/tritonserver", "--backend-directory", "--cache-directory", "--backend-config"}  # NVIDIA's too
    secret = {"--grpc-restricted-protocol"}  # added by the command, which knows the key
    assert left_out == addresses | image | secret | {"--allow-gpu-metrics", "--pinned-memory-pool-byte-size"}  # a GPU


def compose(file: str) -> dict[str, Resource]:
    services: dict[str, Resource] = yaml.safe_load((KUBERNETES.parent / file).read_text(encoding="utf-8"))["services"]
    return services


def test_images_and_commands_are_those_of_one_machine() -> None:
    services = compose("compose.gpu.yaml")
    export, triton = containers(named("StatefulSet", "triton"))
    default = re.compile(r"\$\{STT_MODEL:-([^}]*)\}")
    assert export["image"] == services["export"]["image"]
    assert export["command"] == [default.sub(r"\1", word) for word in services["export"]["command"]]
    assert triton["image"] == services["triton"]["image"]
    assert set(triton["command"]) == {default.sub(r"\1", word) for word in services["triton"]["command"]}
    assert containers(named("Deployment", "gateway"))[0]["image"] == compose("services.yaml")["gateway"]["image"]


def test_the_summarizer_is_that_of_one_machine_but_has_a_gpu_of_its_own() -> None:
    (vllm,) = containers(named("Deployment", "summarizer"))
    single = compose("services.yaml")["summarizer"]
    assert single["image"].startswith(f"{vllm['image']}:")
    shared = ("--gpu-memory-utilization", "--max-num-seqs")
    assert [flag for flag in vllm["args"] if not flag.startswith(shared)] == [
        flag for flag in single["command"] if not flag.startswith(shared)
    ]
    assert {each["name"] for each in vllm["env"]} == {*single["environment"], "VLLM_API_KEY"}


def test_one_model_is_exported_loaded_probed_and_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    export, triton = containers(named("StatefulSet", "triton"))
    name, size, target = export["command"]
    assert (name, target) == ("stt-export", "tensorrt")
    assert f"--load-model=whisper-{size}" in triton["command"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        python, option, module, address, *models = triton[probe]["exec"]["command"]
        assert (python, option, address) == ("python", "-m", "127.0.0.1:8001")
        assert find_spec(module)
        assert f"whisper-{size}" in models
    recognition = gateway_settings(monkeypatch).recognition
    assert (recognition.models, recognition.stand_in) == ((size,), size)


def test_the_autoscaler_reads_a_gauge_that_the_model_publishes() -> None:
    (metric,) = named("HorizontalPodAutoscaler", "triton")["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert name == "whisper_queue_audio_seconds"
    assert name in {name for _, name, _ in SchedulerMetrics.FAMILIES if not name.endswith("_total")}
    assert name != GPU_METRIC


def test_probes_ask_for_pages_that_are_there() -> None:
    services = SimpleNamespace(settings=Settings(), metrics=Mock())
    paths = {getattr(route, "path", "") for route in create_app(services).routes}  # type: ignore[arg-type]
    gateway = containers(named("Deployment", "gateway"))[0]
    assert {gateway[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")} <= paths


def test_the_overlay_changes_what_is_there() -> None:
    overlay = kustomization(KUBERNETES / "overlays" / "example")
    images = {container["image"] for workload in workloads() for container in containers(workload)}
    assert {image["name"] for image in overlay["images"]} == images
    for patch in overlay["patches"]:
        patched = copy.deepcopy(named(patch["target"]["kind"], patch["target"]["name"]))
        for operation in yaml.safe_load(patch["patch"]):
            change(patched, operation)
        kubernetes_validate.validate(patched, VERSION, strict=True)


def change(resource: Resource, operation: Resource) -> None:
    """RFC 6902, as far as it is used. Raises KeyError, IndexError for a path that is not there."""
    *path, last = keys(operation["path"])
    place: Any = resource
    for key in path:
        place = place[key]
    if operation["op"] == "remove":
        del place[last]
    elif last == "-":
        place.append(operation["value"])
    else:
        if operation["op"] == "replace":
            place[last]
        place[last] = operation["value"]


def keys(path: str) -> Iterator[str | int]:
    for part in path.strip("/").split("/"):
        yield int(part) if re.fullmatch(r"\d+", part) else part.replace("~1", "/")
