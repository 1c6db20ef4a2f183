"""docs/browser.html in a real browser: a page of another origin, a recording played to its microphone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from tests.e2e.service_process import ServiceProcess, stt_keys

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("no browser: apt-get install --no-install-recommends chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="no driver: pip install playwright==1.65.2")

PAGE = Path(__file__).parents[2] / "docs" / "browser.html"
ALLOWED, FOREIGN = "https://app.example", "https://elsewhere.example"
TIMEOUT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, dashwood: Path) -> Path:
    """Three seconds of English, as the browser's microphone plays them."""
    path = tmp_path_factory.mktemp("microphone") / "young-man.wav"
    source = dashwood.with_name("young-man.flac")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(source), "-ar", "48000", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture(scope="module")
def browser(recording: Path) -> Iterator[Any]:
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    arguments = [*microphone, f"--use-file-for-fake-audio-capture={recording}%noloop"]
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


def open_page(browser: Any, origin: str, service: ServiceProcess, key: str = "") -> Any:
    # Chromium asks its user before a page of the internet reaches a service on this machine.
    page = browser.new_context(permissions=["local-network-access"]).new_page()
    page.set_default_timeout(TIMEOUT)
    page.route(f"{origin}/**", lambda route: route.fulfill(path=PAGE))
    page.goto(origin + "/browser.html")
    page.fill("#service", service.url)
    page.fill("#key", key)
    return page


def text_of(page: Any, selector: str) -> str:
    page.wait_for_function("selector => document.querySelector(selector).textContent", arg=selector)
    return str(page.text_content(selector))


def test_speech_is_read_while_it_is_spoken_and_its_recording_is_heard_again(
    browser: Any, service: ServiceProcess
) -> None:
    page = open_page(browser, ALLOWED, service)
    page.click("text=Record")
    interim = text_of(page, "#partial")
    page.get_by_text("young man").first.wait_for()
    page.click("text=Stop")
    page.get_by_text(" s, en").wait_for()
    live = page.text_content("#final")
    page.click("text=Transcribe this recording")
    whole = page.locator("#final p").first.text_content()

    assert interim
    assert "young man" in live
    assert whole.startswith("Speaker 1: ") and "young man" in whole
    assert page.text_content("#error") == ""


def test_a_page_reads_what_is_left_and_when_to_try_again(
    browser: Any, metered: ServiceProcess, recording: Path
) -> None:
    key = stt_keys(metered.data, "create", "--tier", "paid", "--credits", "5").stdout.strip()
    paying = open_page(browser, ALLOWED, metered, key)
    paying.set_input_files("#file", recording)
    paying.get_by_text("4 credits left").wait_for()

    speaking, sending = (open_page(browser, ALLOWED, metered) for _ in range(2))
    speaking.click("text=Record")
    speaking.get_by_text("Stop").wait_for()
    sending.set_input_files("#file", recording)

    assert "At most 1 at once; wait for one to end. Try again in 5 s." in text_of(sending, "#error")


def test_a_wrong_key_is_explained_to_the_page(browser: Any, metered: ServiceProcess, recording: Path) -> None:
    page = open_page(browser, ALLOWED, metered, "stt_wrong")
    page.click("text=Record")
    of_the_stream = text_of(page, "#error")
    page.get_by_text("Record", exact=True).wait_for()
    page.set_input_files("#file", recording)
    page.wait_for_function("() => document.querySelector('#file').disabled === false")

    assert "API key is not valid" in of_the_stream
    assert "API key is not valid" in text_of(page, "#error")


def test_a_page_of_another_origin_is_turned_away(browser: Any, metered: ServiceProcess, recording: Path) -> None:
    page = open_page(browser, FOREIGN, metered)
    page.set_input_files("#file", recording)
    of_the_file = text_of(page, "#error")
    page.click("text=Record")
    of_the_stream = text_of(page, "#error")

    assert "may this page call it" in of_the_file
    assert "may this page call it" in of_the_stream
