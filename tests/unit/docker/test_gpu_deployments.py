"""Several GPUs, parts of one, plans built once, what is measured of a card, and what holds a rollout."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import promql_parser
import pytest
import yaml

from speech.whisper.serving import SchedulerMetrics
from tests.e2e.compose_files import DOCKER, Compose
from tests.unit.test_kubernetes import KUBERNETES, VERSION, change, containers, kustomization, named, pod

SCHEMA: list[str | Path] = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
OURS = {name for _, name, _ in SchedulerMetrics.FAMILIES} | {"whisper_cuda_graphs"}
COUNTERS = set(re.findall(r"^DCGM_\w+", (DOCKER / "dcgm" / "counters.csv").read_text(), flags=re.MULTILINE))


def overlay(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DOCKER / "compose.gpus.sh", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def four(tmp_path: Path) -> Compose:
    """An overlay for four GPUs, beside the files that it extends."""
    path = tmp_path / "compose.gpus.yaml"
    path.write_text(overlay("4", "4").stdout)
    (tmp_path / "services.yaml").symlink_to(DOCKER / "services.yaml")
    checked = subprocess.run([*SCHEMA, path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    return Compose.read(path)


def test_every_gpu_has_a_triton_of_its_own_and_all_have_one_export(four: Compose) -> None:
    single = Compose.read(DOCKER / "compose.gpu.yaml").services["triton"]
    tritons = [service for name, service in four.services.items() if name.startswith("triton-")]

    devices = [each["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"] for each in tritons]
    assert devices == [["1"], ["2"], ["3"]]
    for each in tritons:
        for same in ("command", "healthcheck", "depends_on", "image", "user", "cap_drop", "read_only", "mem_limit"):
            assert each[same] == single[same], same
        assert each["volumes"] == single["volumes"]
        assert "models:/models:ro" in each["volumes"]
        assert each["networks"] == {"inside": {"aliases": ["triton"]}}, "gateways and Prometheus look up this name"
    assert set(four.services["gateway"]["depends_on"]) == {"triton-1", "triton-2", "triton-3"}
    cores = [four.services[name]["cpuset"] for name in ("triton", "triton-1", "triton-2", "triton-3")]
    assert cores == ["0-3", "4-7", "8-11", "12-15"]


@pytest.mark.parametrize("arguments", [("1",), ("four",), ("2", "x")])
def test_a_number_of_gpus_that_makes_no_sense_is_told(arguments: tuple[str, ...]) -> None:
    assert overlay(*arguments).returncode == 2


def test_the_exporter_of_dcgm_is_what_prometheus_asks() -> None:
    file = DOCKER / "compose.dcgm.yaml"
    checked = subprocess.run([*SCHEMA, file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    (name, exporter), *others = Compose.read(file).services.items()
    jobs = {job["job_name"]: job for job in read_yaml(DOCKER / "prometheus" / "prometheus.yaml")["scrape_configs"]}

    assert others == []
    assert jobs["dcgm"]["dns_sd_configs"] == [{"names": [name], "type": "A", "port": 9400}]
    assert exporter["networks"] == ["inside"]
    assert "ports" not in exporter
    mounted = exporter["volumes"][0].removeprefix("./").split(":")
    assert exporter["command"][1] == f"{mounted[1]}/counters.csv"
    assert (DOCKER / mounted[0] / "counters.csv").exists()


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def queries() -> dict[str, str]:
    """By where each stands."""
    rules = [rule for group in read_yaml(DOCKER / "prometheus" / "alerts.yaml")["groups"] for rule in group["rules"]]
    board = json.loads((DOCKER / "grafana" / "dashboards" / "stt.json").read_text())
    asked = {rule["alert"]: rule["expr"] for rule in rules}
    for panel in board["panels"]:
        asked |= {f"{panel['title']} {each['refId']}": each["expr"] for each in panel["targets"]}
    return asked


@pytest.mark.parametrize("where", queries())
def test_every_query_is_one_that_prometheus_understands(where: str) -> None:
    promql_parser.parse(queries()[where])


def test_what_is_asked_of_a_card_is_what_the_exporter_shows() -> None:
    asked = {name for query in queries().values() for name in re.findall(r"DCGM_\w+", query)}

    assert asked <= COUNTERS
    rules = read_yaml(DOCKER / "prometheus" / "alerts.yaml")["groups"][0]["rules"]
    assert any("DCGM_FI_DEV_XID_ERRORS" in rule["expr"] for rule in rules)
    ours = {name for query in queries().values() for name in re.findall(r"\bwhisper_\w+", query)}
    assert ours <= OURS


def test_the_dashboard_has_a_row_of_the_card_and_no_panel_over_another() -> None:
    panels = json.loads((DOCKER / "grafana" / "dashboards" / "stt.json").read_text())["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert [panel["title"] for panel in panels if panel["type"] == "row"] == ["GPU (DCGM)"]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in panels}) == len(panels)


RULES = {  # prometheus-adapter's DiscoveryRule
    "type": "object",
    "required": ["seriesQuery", "resources", "metricsQuery"],
    "additionalProperties": False,
    "properties": {
        "seriesQuery": {"type": "string"},
        "seriesFilters": {"type": "array"},
        "resources": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "template": {"type": "string"},
                "namespaced": {"type": "boolean"},
                "overrides": {
                    "additionalProperties": {
                        "type": "object",
                        "required": ["resource"],
                        "additionalProperties": False,
                        "properties": {"resource": {"type": "string"}, "group": {"type": "string"}},
                    }
                },
            },
        },
        "name": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"matches": {"type": "string"}, "as": {"type": "string"}},
        },
        "metricsQuery": {"type": "string"},
    },
}


def test_the_autoscalers_metric_is_the_one_that_the_rule_makes() -> None:
    (rule,) = read_yaml(KUBERNETES / "prometheus-adapter" / "rules.yaml")["rules"]["custom"]
    jsonschema.validate(rule, RULES)
    (metric,) = named("HorizontalPodAutoscaler", "triton")["spec"]["metrics"]
    series = re.match(r"\w+", rule["seriesQuery"])

    assert series is not None and series[0] == metric["pods"]["metric"]["name"]
    promql_parser.parse(rule["seriesQuery"])
    filled = rule["metricsQuery"].replace("<<.Series>>", series[0]).replace("<<.GroupBy>>", "pod")
    promql_parser.parse(filled.replace("<<.LabelMatchers>>", 'pod="triton-0"'))


def patched(folder: Path) -> dict[str, Any]:
    """The resources that a kustomization changes, by kind."""
    result = {}
    for patch in kustomization(folder)["patches"]:
        kind, name = patch["target"]["kind"], patch["target"]["name"]
        resource = copy.deepcopy(named(kind, name))
        for operation in yaml.safe_load(patch["patch"]):
            change(resource, operation)
        kubernetes_validate.validate(resource, VERSION, strict=True)
        result[kind] = resource
    return result


def test_a_part_of_a_card_is_asked_for_instead_of_a_whole_one() -> None:
    triton = patched(KUBERNETES / "overlays" / "mig")["StatefulSet"]

    for container in containers(triton):
        gpus = {name: count for name, count in container["resources"]["limits"].items() if "nvidia" in name}
        assert gpus == {"nvidia.com/mig-2g.20gb": 1}


def test_plans_are_built_by_a_job_and_only_read_by_tritons() -> None:
    folder = KUBERNETES / "components" / "plans"
    resources = list(yaml.safe_load_all((folder / "plans.yaml").read_text()))
    for resource in resources:
        kubernetes_validate.validate(resource, VERSION, strict=True)
    claim, job, policy = resources
    (builder,) = pod(job)["spec"]["containers"]
    triton = patched(folder)["StatefulSet"]
    export, _ = containers(triton)
    (mount,) = (each for each in export["volumeMounts"] if each["name"] == "plans")
    environment = {each["name"]: each["value"] for each in export["env"]}

    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert mount["readOnly"] is True
    assert environment == {"STT_PLANS": mount["mountPath"], "STT_PLANS_ONLY": "1"}
    assert {each["name"]: each["value"] for each in builder["env"]} == {"STT_PLANS": "/plans"}
    assert builder["image"] == export["image"]
    assert " ".join(export["command"]) in builder["command"][-1]
    assert builder["securityContext"] == export["securityContext"]
    assert policy["spec"]["podSelector"]["matchLabels"] == pod(job)["metadata"]["labels"]
    claims = [
        each["persistentVolumeClaim"] for each in pod(triton)["spec"]["volumes"] if "persistentVolumeClaim" in each
    ]
    assert claims == [{"claimName": claim["metadata"]["name"], "readOnly": True}]


def test_what_fills_the_store_asks_for_it(tmp_path: Path) -> None:
    """export.sh as it stands, with a `python` that notes what it is asked."""
    noted = tmp_path / "noted"
    for name, text in {"python": f'echo "$@" >>{noted}\n', "cp": "\n"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "STT_PLANS": "/plans", "STT_PLANS_ONLY": "1"}

    subprocess.run([DOCKER / "export.sh", "base", "tensorrt"], check=True, env=environment)
    subprocess.run([DOCKER / "export.sh", "base", "cpu"], check=True, env={"PATH": environment["PATH"]})

    first, _, second, _ = noted.read_text().splitlines()
    assert first.endswith("--target tensorrt --repository /models --data /weights --plans /plans --without-building")
    assert second.endswith("--target cpu --repository /models --data /weights")


def test_a_rollout_goes_on_when_five_recordings_are_heard(tmp_path: Path) -> None:
    python = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}
    subprocess.run([DOCKER / "canary.sh", DOCKER.parent / "tests" / "data", tmp_path], check=True, env=python)
    _, triton = containers(named("StatefulSet", "triton"))
    command = triton["startupProbe"]["exec"]["command"]
    ignored = (DOCKER.parent / ".dockerignore").read_text().splitlines()

    assert len(json.loads((tmp_path / "references.json").read_text())) == 5
    assert command[1:3] == ["-m", "gateway.triton.canary"]
    assert named("StatefulSet", "triton")["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    for wave in tmp_path.glob("*.wav"):
        assert f"!tests/data/{wave.stem}.flac" in ignored
