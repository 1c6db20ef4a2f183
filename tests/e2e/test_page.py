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

from benchmarks.page import SECONDS, WORDS, made_transcript, open_transcript, silence
from tests.e2e.service_process import ServiceProcess, stt_keys
from tests.web_packages import web_package

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("no browser: apt-get install --no-install-recommends chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="no driver: pip install playwright==1.65.2")

TIMEOUT = 60_000  # milliseconds
PHONE = {"width": 360, "height": 740}
SPOKEN_IS_SEEN = """() => {
  const word = document.querySelector(".now")?.getBoundingClientRect();
  return word !== undefined && word.top > 0 && word.bottom < innerHeight;
}"""
DRAWN = 3_000  # words that are drawn one by one, at most
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
        self.context = browser.new_context(locale="en-GB", **options)
        self._open(service)

    def come_again(self, service: ServiceProcess) -> None:
        """After the tab was closed."""
        self.page.close()
        self._open(service)

    def _open(self, service: ServiceProcess) -> None:
        self.page = self.context.new_page()
        self.page.set_default_timeout(TIMEOUT)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{service.url}/")

    def sign_in(self, key: str) -> None:
        """As one whose transcriptions are not counted with those of other tests from this address."""
        self.page.get_by_role("button", name="Key", exact=True).click()
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


def test_who_speaks_is_told_while_it_is_spoken(browser: Any, service: ServiceProcess) -> None:
    someone = Visitor(browser, service)
    someone.page.get_by_label("Tell speakers apart").check()
    someone.page.get_by_role("button", name="Record").click()
    someone.page.get_by_role("log").get_by_text("Speaker 1:").wait_for()
    someone.page.get_by_text("young man").first.wait_for()  # what is stopped before it was said is not heard
    someone.page.get_by_role("button", name="Stop").click()
    someone.page.get_by_label("Name of Speaker 1").wait_for()

    assert "young man" in someone.transcript
    assert someone.complaints == []


def test_a_key_is_sent_and_never_in_an_address(browser: Any, full: ServiceProcess, dashwood: Path) -> None:
    key = stt_keys(full.data, "create", "--tier", "paid", "--credits", "77").stdout.strip()
    someone = Visitor(browser, full)
    someone.page.get_by_role("button", name="Key", exact=True).click()
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


def test_a_closed_tab_loses_nothing_that_was_handed_over(
    browser: Any, service: ServiceProcess, key: str, dashwood: Path
) -> None:
    someone = Visitor(browser, service)
    someone.sign_in(key)
    files = [dashwood, dashwood.with_name("young-man.flac")]
    someone.page.set_input_files("input[type=file]", files)
    someone.page.get_by_role("link", name=files[0].name).click()
    someone.page.get_by_text("this tab may be closed").wait_for()
    someone.come_again(service)
    someone.page.get_by_role("link", name=files[0].name).click()
    someone.page.get_by_text("Enter the key that it was handed over with").wait_for()
    someone.sign_in(key)
    someone.wait_for_transcript()

    assert "leisure to consider" in someone.transcript
    someone.page.get_by_role("link", name=files[1].name).click()
    someone.page.get_by_text("young").first.wait_for()
    assert [url for url in someone.asked if url.endswith("/v1/transcribe") or key in url] == []
    assert f"{service.url}/v1/uploads" in someone.asked
    assert key not in str(someone.page.evaluate("Object.entries(localStorage)"))


def test_a_recording_at_an_address_is_fetched_by_the_service(browser: Any, service: ServiceProcess, key: str) -> None:
    someone = Visitor(browser, service)
    someone.page.get_by_label("Or paste addresses").fill("https://127.0.0.1/talk.mp3")
    someone.page.get_by_role("button", name="Fetch").click()
    someone.page.get_by_text("fetched for the owner of a key").wait_for()
    someone.sign_in(key)
    someone.page.get_by_text("leads to a private address").wait_for()

    assert someone.page.get_by_role("button", name="Try again").is_visible()
    assert someone.violations() == []


def test_a_day_that_is_used_up_says_until_when_and_what_is_too_large_what_helps(
    browser: Any, full: ServiceProcess, dashwood: Path, tmp_path: Path
) -> None:
    someone = Visitor(browser, full, extra_http_headers={"X-Forwarded-For": "198.51.100.77"})
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(9 * 1024**2))
    files = []
    for number in range(4):
        files.append(tmp_path / f"file-{number}.flac")
        files[-1].write_bytes(dashwood.with_name("young-man.flac").read_bytes())
    someone.page.set_input_files("input[type=file]", [large, *files])
    someone.page.get_by_role("link", name="file-3.flac").click()
    someone.page.get_by_text("Accepted again from").wait_for()
    someone.page.get_by_role("link", name="large.wav").click()
    someone.page.get_by_text("With a key, larger files are accepted").wait_for()
    someone.page.get_by_role("link", name="file-2.flac").click()
    someone.wait_for_transcript()

    assert someone.page.get_by_role("link", name="failed").count() == 2


def test_a_service_out_of_reach_is_waited_for(browser: Any, service: ServiceProcess, dashwood: Path) -> None:
    someone = Visitor(browser, service)
    someone.page.context.set_offline(True)
    someone.page.set_input_files("input[type=file]", dashwood)
    someone.page.locator(".working").get_by_text("does not answer").wait_for()
    someone.page.context.set_offline(False)
    someone.wait_for_transcript()

    assert "leisure to consider" in someone.transcript


def test_of_three_hours_only_what_is_near_is_drawn_word_by_word(
    browser: Any, service: ServiceProcess, tmp_path: Path
) -> None:
    someone, transcript = Visitor(browser, service), made_transcript(WORDS, SECONDS)
    open_transcript(someone.page, service.url, transcript, silence(tmp_path, SECONDS))
    words, last = someone.page.locator("[data-start]"), len(transcript["segments"]) - 1
    someone.page.locator(".far").last.scroll_into_view_if_needed()
    someone.page.locator(f"[data-segment='{last}']").wait_for()
    drawn = [words.count()]
    someone.page.get_by_label("Position").fill(str(SECONDS // 3))
    someone.page.wait_for_function(SPOKEN_IS_SEEN)
    drawn.append(words.count())
    spoken = someone.page.locator(".now")

    assert float(spoken.get_attribute("data-start")) <= SECONDS / 3 < float(spoken.get_attribute("data-end")) + 1
    assert max(drawn) < DRAWN
    whole = someone.page.locator(".transcript").inner_text() + someone.page.locator(".transcript").text_content()
    assert all(segment["text"][:40] in whole for segment in transcript["segments"][:: last // 9])
    assert someone.violations() == []
    assert someone.complaints == []
