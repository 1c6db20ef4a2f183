"""The web page as people use it: in a real browser, a recording played to its microphone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import imageio_ffmpeg
import pytest

from tests.e2e.service_process import ServiceProcess, stt_keys
from tests.web_packages import web_package

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("no browser: apt-get install --no-install-recommends chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="no driver: pip install playwright==1.65.2")

TIMEOUT = 60_000  # milliseconds
PHONE = {"width": 360, "height": 740}
COMPRESSED = 200_000  # bytes of script, at most


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, dashwood: Path) -> Iterator[Any]:
    """Its microphone hears three seconds of English."""
    heard = tmp_path_factory.mktemp("microphone") / "young-man.wav"
    source = dashwood.with_name("young-man.flac")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(source), "-ar", "48000", str(heard)]
    subprocess.run(command, check=True)
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=CHROMIUM, args=[*microphone, f"--use-file-for-fake-audio-capture={heard}%noloop"]
        )
        yield running
        running.close()


class Visitor:
    """Somebody in front of a browser of their own, and what it complained about."""

    def __init__(self, browser: Any, service: ServiceProcess, **options: Any) -> None:
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_context(locale="en-GB", **options).new_page()
        self.page.set_default_timeout(TIMEOUT)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{service.url}/")

    def sign_in(self, key: str) -> None:
        """As one whose transcriptions are not counted with those of other tests from this address."""
        self.page.get_by_role("button", name="Key").click()
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Save").click()
        self.page.get_by_text("credits left").wait_for()
        self.page.get_by_role("button", name="Close").click()

    def bring(self, recording: Path) -> None:
        self.page.set_input_files("input[type=file]", recording)
        self.wait_for_transcript()

    def wait_for_transcript(self) -> None:
        """raises: AssertionError with what the page shows instead"""
        try:
            self.page.wait_for_selector(".transcript")
        except playwright.TimeoutError:
            shown = [self.page.locator(part).inner_text() for part in ("aside ul", "main")]
            raise AssertionError(f"no transcript, but: {shown}; {self.complaints}") from None

    @property
    def transcript(self) -> str:
        return " ".join(self.page.locator("[data-segment]").all_inner_texts())

    def saved(self, name: str) -> tuple[str, bytes]:
        """The file that a button gives, and its name."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=name, exact=True).click()
        return str(download.value.suggested_filename), Path(download.value.path()).read_bytes()

    def violations(self) -> list[str]:
        """What axe finds; it runs in a world of its own, where the page's policy does not bind it."""
        session = self.page.context.new_cdp_session(self.page)
        frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
        world = session.send("Page.createIsolatedWorld", {"frameId": frame})["executionContextId"]
        script = (web_package("axe-core") / "axe.min.js").read_text(encoding="utf-8")
        session.send("Runtime.evaluate", {"expression": script, "contextId": world})
        run = "axe.run().then(found => found.violations.map(one => `${one.id}: ${one.nodes.map(n => n.html)}`))"
        options = {"expression": run, "contextId": world, "awaitPromise": True, "returnByValue": True}
        return list(session.send("Runtime.evaluate", options)["result"]["value"])


@pytest.fixture(scope="module")
def visitor(browser: Any, service: ServiceProcess) -> Visitor:
    """With one recording that is transcribed."""
    someone = Visitor(browser, service)
    someone.bring(Path(__file__).parents[1] / "data" / "dashwood.flac")
    return someone


def test_the_page_is_small_and_comes_from_the_service_alone(service: ServiceProcess) -> None:
    page = httpx.get(service.url, headers={"Accept": "text/html"})
    names = re.findall(r'(?:src|href)="page/([\w.]+)"', page.text)
    files = {name: httpx.get(f"{service.url}/page/{name}", headers={"Accept-Encoding": "gzip"}) for name in names}

    assert {"app.js", "app.css"} <= set(files)
    assert all(answer.status_code == 200 for answer in files.values())
    assert int(files["app.js"].headers["content-length"]) < COMPRESSED
    assert "<script>" not in page.text and "style=" not in page.text


def test_a_first_visit_explains_itself(browser: Any, service: ServiceProcess) -> None:
    someone = Visitor(browser, service)

    someone.page.get_by_text("Your transcripts appear here").wait_for()
    assert someone.violations() == []
    assert someone.complaints == []


def test_a_file_becomes_a_transcript_that_is_still_there_after_a_reload(
    visitor: Visitor, service: ServiceProcess
) -> None:
    assert "leisure to consider" in visitor.transcript
    visitor.page.reload()
    visitor.wait_for_transcript()

    assert "leisure to consider" in visitor.transcript
    assert [url for url in visitor.asked if not url.startswith((service.url, "blob:"))] == []
    assert visitor.complaints == []


def test_a_reload_in_the_middle_loses_nothing(browser: Any, service: ServiceProcess, dashwood: Path) -> None:
    someone = Visitor(browser, service)
    someone.page.set_input_files("input[type=file]", dashwood)
    someone.page.wait_for_selector(".working")
    someone.page.reload()
    someone.wait_for_transcript()

    assert "leisure to consider" in someone.transcript


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_a_transcript(visitor: Visitor, scheme: str) -> None:
    visitor.page.emulate_media(color_scheme=scheme)

    assert visitor.violations() == []


def test_a_name_is_changed_in_one_place_and_comes_into_every_file(visitor: Visitor) -> None:
    visitor.page.get_by_label("Name of Speaker 1").fill("Ann & Bo")
    visitor.page.keyboard.press("Tab")
    name, text = visitor.saved("txt")
    _, subtitles = visitor.saved("srt")
    _, captions = visitor.saved("vtt")
    _, data = visitor.saved("json")
    _, letter = visitor.saved("docx")

    assert name == "dashwood.txt"
    assert text.decode().startswith("Ann & Bo: ")
    assert subtitles.decode().startswith("1\n00:00:0") and "Ann & Bo: " in subtitles.decode()
    assert captions.decode().startswith("WEBVTT\n\n1\n")
    assert b'"speaker": "Ann & Bo"' in data
    assert "Ann &amp; Bo" in ZipFile(BytesIO(letter)).read("word/document.xml").decode()
    visitor.page.get_by_role("button", name="Undo").click()
    assert visitor.page.get_by_label("Name of Speaker 1").input_value() == "Speaker 1"


def test_text_is_corrected_in_place_and_taken_back(visitor: Visitor) -> None:
    before = visitor.transcript
    visitor.page.get_by_role("button", name="Correct").first.click()
    editor = visitor.page.get_by_label("Correct the text")
    editor.fill("<b>Quite</b> another text")
    editor.press("Enter")

    assert "<b>Quite</b> another text" in visitor.transcript
    visitor.page.get_by_role("button", name="Undo").click()
    assert visitor.transcript == before


def test_a_segment_is_given_to_somebody_else(visitor: Visitor) -> None:
    visitor.page.get_by_label("Who says this").first.select_option(label="somebody else")

    assert visitor.page.get_by_label("Name of Speaker 2").input_value() == "Speaker 2"
    visitor.page.get_by_role("button", name="Undo").click()
    assert visitor.page.get_by_label("Name of Speaker 2").count() == 0


def test_a_click_on_a_word_plays_from_there_and_keys_move_on(visitor: Visitor) -> None:
    word = visitor.page.locator("[data-start]").nth(8)
    word.click()
    visitor.page.wait_for_selector(".now")
    visitor.page.get_by_role("button", name="Pause").wait_for()
    visitor.page.keyboard.press("Space")
    visitor.page.get_by_role("button", name="Play", exact=True).wait_for()
    position = visitor.page.get_by_label("Position")
    begun = float(position.input_value())
    visitor.page.keyboard.press("ArrowLeft")
    visitor.page.wait_for_function(
        "begun => Number(document.querySelector('input[type=range]').value) < begun", arg=begun
    )

    assert begun >= float(word.get_attribute("data-start")) - 0.1


def test_the_page_speaks_other_languages_and_keeps_the_choice(visitor: Visitor) -> None:
    visitor.page.get_by_label("Language of this page").last.select_option("de")
    visitor.page.get_by_role("button", name="Schlüssel").wait_for()
    visitor.page.reload()
    visitor.page.get_by_label("Sprache dieser Seite").last.select_option("en")

    assert visitor.page.get_by_role("button", name="Key").is_visible()
    assert visitor.page.locator("html").get_attribute("lang") == "en"


def test_on_a_phone_nothing_is_wider_than_the_screen(visitor: Visitor) -> None:
    size = visitor.page.viewport_size
    visitor.page.set_viewport_size(PHONE)
    visitor.wait_for_transcript()

    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not visitor.page.evaluate(wide)
    visitor.page.get_by_text("Back to the list").click()
    visitor.page.get_by_role("link", name="dashwood.flac").click()
    visitor.wait_for_transcript()
    assert visitor.violations() == []
    visitor.page.set_viewport_size(size)


def test_what_is_spoken_is_read_at_once_and_kept(browser: Any, service: ServiceProcess) -> None:
    someone = Visitor(browser, service)
    someone.page.get_by_role("button", name="Record").click()
    someone.page.get_by_text("young man").first.wait_for()
    someone.page.get_by_role("button", name="Stop").click()
    someone.wait_for_transcript()
    again = someone.page.get_by_role("button", name="Transcribe again, with speakers")

    assert "young man" in someone.transcript
    again.click()
    someone.page.get_by_label("Name of Speaker 1").wait_for()
    assert someone.complaints == []


def test_a_key_is_sent_and_never_in_an_address(browser: Any, full: ServiceProcess, dashwood: Path) -> None:
    key = stt_keys(full.data, "create", "--tier", "paid", "--credits", "77").stdout.strip()
    someone = Visitor(browser, full)
    someone.page.get_by_role("button", name="Key").click()
    someone.page.get_by_label("API key").fill("wrong")
    someone.page.get_by_role("button", name="Save").click()
    someone.page.get_by_text("The key is not valid").wait_for()
    someone.page.get_by_label("API key").fill(key)
    someone.page.get_by_role("button", name="Save").click()
    someone.page.get_by_text("77 credits left").wait_for()
    assert someone.violations() == []
    someone.page.get_by_role("button", name="Close").click()
    someone.bring(dashwood.with_name("young-man.flac"))

    assert [url for url in someone.asked if key in url] == []


def test_a_summary_leads_to_where_it_was_said(browser: Any, full: ServiceProcess, dashwood: Path) -> None:
    someone = Visitor(browser, full)
    someone.sign_in(stt_keys(full.data, "create", "--tier", "paid", "--credits", "20").stdout.strip())
    someone.bring(dashwood)
    someone.page.get_by_role("button", name="Summarize").click()
    someone.page.get_by_role("button", name=re.compile(r"Play 0:0\d")).first.click()
    someone.page.wait_for_selector(".now")

    assert "leisure" in someone.page.locator(".summary li").first.inner_text()
