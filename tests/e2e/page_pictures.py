"""Takes the pictures of docs/web.md: `python -m tests.e2e.page_pictures`, in Debian's Chromium.

A person looks at them before they are committed: what a test of the page does not see is seen there.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import imageio_ffmpeg
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.e2e.service_process import run_service, stt_keys, wait_for_summaries

DATA = Path(__file__).parents[1] / "data"
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
TALK = DATA / "telephone.flac"
DESK, PHONE = {"width": 1180, "height": 740}, {"width": 390, "height": 760}
COLOURS = 48  # of a picture: it stays small
PATIENCE = 600_000  # milliseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PICTURES)
    folder = parser.parse_args().folder
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory() as data:
        settings = {"SUMMARIZER": "embedded", "STT_ACCOUNTS_ANONYMOUS": "unlimited"}
        with run_service(Path(data), **settings) as service, _browser(Path(data)) as browser:
            wait_for_summaries(service)
            key = stt_keys(service.data, "create", "--tier", "paid", "--credits", "600").stdout.strip()
            _take(browser, service.url, key, folder)


def _take(browser: Any, address: str, key: str, folder: Path) -> None:
    page = browser.new_context(locale="en-GB", viewport=DESK).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/")
    page.wait_for_selector(".welcome")
    _keep(page, folder / "page-first-visit.png")
    page.get_by_role("button", name="Record").click()
    page.wait_for_function("() => document.querySelector('.partial')?.textContent.trim().split(' ').length > 2")
    _keep(page, folder / "page-microphone.png")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(".transcript")
    _sign_in(page, key)
    files = [TALK, *(DATA / name for name in ("dashwood.flac", "spanish.opus", "french.opus"))]
    page.set_input_files("input[type=file]", files)
    page.get_by_role("link", name=TALK.name).click()
    page.locator(".working").get_by_text("transcribing").wait_for()
    _keep(page, folder / "page-jobs.png")
    page.wait_for_selector(".transcript")
    _name_and_play(page)
    page.evaluate("() => scrollTo(0, 0)")
    _keep(page, folder / "page-transcript.png")
    page.get_by_label("Style").select_option("headline")
    page.get_by_role("button", name="Summarize").click()
    page.wait_for_selector(".summary li")
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Correct").nth(1).click()
    _keep(page, folder / "page-summary-dark.png")
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    page.evaluate("() => document.querySelector('.transcript').scrollIntoView()")
    _keep(page, folder / "page-phone.png")


def _sign_in(page: Any, key: str) -> None:
    page.get_by_role("button", name="Key", exact=True).click()
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("credits left").wait_for()
    page.get_by_role("button", name="Close").click()


def _name_and_play(page: Any) -> None:
    for number, name in enumerate(["Ana", "Ben"]):
        page.get_by_label(f"Name of Speaker {number + 1}").fill(name)
        page.keyboard.press("Tab")
    page.locator("[data-start]").nth(30).click()
    page.wait_for_selector(".now")
    page.keyboard.press("Space")
    page.mouse.move(0, 0)


def _keep(page: Any, path: Path) -> None:
    page.wait_for_timeout(300)  # what has just changed is painted
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size} bytes")


@contextmanager
def _browser(folder: Path) -> Iterator[Any]:
    """Its microphone hears a sentence, again and again."""
    heard = folder / "heard.wav"
    source = ["-i", str(DATA / "dashwood.flac"), "-ar", "48000", str(heard)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *source], check=True)
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*microphone, f"--use-file-for-fake-audio-capture={heard}"]
        )
        yield running
        running.close()


if __name__ == "__main__":
    main()
