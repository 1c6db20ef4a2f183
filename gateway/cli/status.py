"""`stt status`, `stt models`, `stt usage`: what the service says of itself and of its caller."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gateway.cli.client import connect
from gateway.cli.errors import FAILED
from gateway.cli.service_address import ServiceAddress, find_service
from gateway.cli.terminal import print_result
from gateway.settings import Settings

UNLIMITED = 1_000_000_000  # from which an allowance is none
PATHS = {"status": "/health", "models": "/v1/models", "usage": "/v1/usage"}


def run(options: argparse.Namespace, settings: Settings) -> int:
    address = find_service(options.url, settings)
    answer = asyncio.run(_ask(address, options.action))
    if options.json:
        print_result(json.dumps(answer, ensure_ascii=False))
    else:
        {"status": show_status, "models": show_models, "usage": show_usage}[options.action](answer, address)
    return FAILED if options.action == "status" and answer["status"] != "ok" else 0


async def _ask(address: ServiceAddress, action: str) -> Any:
    also = (HTTPStatus.SERVICE_UNAVAILABLE,) if action == "status" else ()
    async with connect(address) as client:
        return await client.get(PATHS[action], also)


def show_status(answer: Mapping[str, Any], address: ServiceAddress) -> None:
    working = "works" if answer["status"] == "ok" else answer.get("error", answer["status"])
    gpu = answer.get("gpu_name") or ("yes" if answer.get("gpu_available") else "none")
    rows = {
        "service": f"{address.url} ({address.source})",
        "state": working,
        "GPU": gpu,
        "key": "sent" if address.key else "none",
    }
    _show(rows)


def show_models(answer: Mapping[str, Any], _: ServiceAddress) -> None:
    for model in answer["models"]:
        print_result(f"{model['id']:<16}{model['description']}")


def show_usage(answer: Mapping[str, Any], _: ServiceAddress) -> None:
    _show(
        {
            "tier": answer["tier"],
            "name": answer["name"],
            "transcription": _meter(answer["transcription"]),
            "summaries": _meter(answer["summaries"]),
            "largest file": f"{answer['largest_file_bytes'] // 1024**2} MB",
        }
    )


def _meter(meter: Mapping[str, Any]) -> str:
    """3 of 10 minutes left until …; 1 of 2 running"""
    running = f"{meter['running']} of {meter['at_once']} running"
    if meter.get("limit", 0) >= UNLIMITED:
        return f"no limit; {running}"
    left = f"{meter['remaining']} of {meter['limit']}" if "limit" in meter else str(meter["remaining"])
    until = f" until {meter['resets_at'][:16].replace('T', ' ')} UTC" if "resets_at" in meter else ""
    return f"{left} {meter['unit']} left{until}; {running}"


def _show(rows: Mapping[str, str]) -> None:
    widest = max(map(len, rows))
    for name, value in rows.items():
        print_result(f"{name:<{widest}}  {value}")
