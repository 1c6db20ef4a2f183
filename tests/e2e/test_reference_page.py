"""/docs as people see it: in a real browser, on a machine without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.reference.swagger_ui import ASSETS
from tests.e2e.service_process import ServiceProcess, run_service

CHROMIUM = shutil.which("chromium")
TIMEOUT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no browser: apt-get install --no-install-recommends chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no driver: pip install playwright==1.65.2")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM)
        yield running
        running.close()


def test_the_page_and_everything_in_it_comes_from_the_service(client: httpx.Client) -> None:
    page = client.get("/docs")
    assets = [client.get(f"/docs/{name}") for name in ASSETS]

    assert page.headers["content-type"].startswith("text/html")
    assert all(asset.status_code == 200 and asset.content for asset in assets)
    assert {name for name in ASSETS if f"docs/{name}" in page.text} == set(ASSETS)
    assert "http" not in page.text
    assert client.get("/docs/swagger-ui.css.map").status_code == 404


def test_no_script_runs_that_is_not_the_services_own(client: httpx.Client) -> None:
    policy = client.get("/docs").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert client.get("/").json()["docs"] == "/docs"


def test_the_page_shows_every_operation_and_asks_nobody_else(browser: Any, service: ServiceProcess) -> None:
    page = browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{service.url}/docs")
    page.wait_for_selector(".opblock", timeout=TIMEOUT)
    shown = page.locator(".opblock").count()
    page.click("#operations-Transcription-transcribe .opblock-summary")
    page.wait_for_selector("text=The transcript in the shape", timeout=TIMEOUT)

    operations = [each for path in httpx.get(f"{service.url}/openapi.json").json()["paths"].values() for each in path]
    assert shown == len(operations)
    assert page.title() == "stt: API reference"
    assert "is_final" not in page.text_content("main") and "WS /v1/stream" in page.text_content("main")
    assert [url for url in asked if not url.startswith((service.url, "data:"))] == []
    assert complaints == []


def test_a_recording_is_transcribed_from_the_page(browser: Any, service: ServiceProcess, dashwood: Path) -> None:
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT)
    page.goto(f"{service.url}/docs")
    page.click("#operations-Transcription-transcribe .opblock-summary")
    page.click("text=Try it out")
    page.set_input_files("input[type=file]", dashwood)
    page.click("button.execute")
    page.get_by_text("leisure to consider").first.wait_for()


def test_a_service_may_keep_its_description_to_itself(service: ServiceProcess, tmp_path: Path) -> None:
    with run_service(tmp_path, STT_TRITON_URLS=service.triton, STT_SERVER_DOCS="false") as silent:
        answers = [httpx.get(silent.url + path) for path in ("/docs", "/docs/start.js", "/openapi.json")]
        index = httpx.get(silent.url).json()

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert index["docs"] is None
    assert "/v1/transcribe" in index["endpoints"]
