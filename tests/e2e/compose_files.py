"""A compose file as Docker reads it: `extends` followed, `${VARIABLE:-default}` filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).parents[2] / "docker"
COMPOSE = (DOCKER / "compose.cpu.yaml", DOCKER / "compose.gpu.yaml")
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True)
class Compose:
    content: dict[str, Any]
    services: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, path: Path, variables: Mapping[str, str] | None = None) -> Compose:
        content = _filled(yaml.safe_load(path.read_text(encoding="utf-8")), variables or {})
        services = {name: _extended(service, path, variables) for name, service in content["services"].items()}
        return cls(content, services)


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """Variables are filled in after YAML is read: an empty one stays a string."""
    if isinstance(value, dict):
        return {name: _filled(inner, variables) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables) for inner in value]
    if not isinstance(value, str):
        return value
    return VARIABLE.sub(
        lambda found: "$" if found[0] == "$$" else variables.get(found["name"]) or found["default"] or "", value
    )


def _extended(service: dict[str, Any], path: Path, variables: Mapping[str, str] | None) -> dict[str, Any]:
    """Mappings are joined, lists follow each other, but a command is replaced."""
    extends = service.pop("extends", None)
    if extends is None:
        return service
    merged = dict(Compose.read(path.parent / extends["file"], variables).services[extends["service"]])
    for name, value in service.items():
        old = merged.get(name)
        if isinstance(old, dict):
            merged[name] = old | value
        elif isinstance(old, list) and name != "command":
            merged[name] = old + value
        else:
            merged[name] = value
    return merged


@dataclass(frozen=True)
class Stage:
    """One image of the Containerfile."""

    command: list[str]
    environment: dict[str, str]
    user: str


def read_stages() -> dict[str, Stage]:
    """By name; a variable's own old value ($PATH) stays as it is written."""
    text = re.sub(r"\\\n", " ", (DOCKER / "Containerfile").read_text(encoding="utf-8"))
    parts = re.split(r"^FROM \S+ AS (\S+)$", text, flags=re.MULTILINE)
    return {name: _stage(body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _stage(body: str) -> Stage:
    settings = " ".join(re.findall(r"^ENV (.+)$", body, flags=re.MULTILINE))
    command = re.search(r"^CMD (.+)$", body, flags=re.MULTILINE)
    user = re.search(r"^USER (.+)$", body, flags=re.MULTILINE)
    return Stage(
        yaml.safe_load(command[1]) if command else [],
        dict(re.findall(r"(\w+)=(\S+)", settings)),
        user[1] if user else "",
    )
