"""The web page with a transcript of three hours, in Chromium: first paint, and the tasks that keep it from answering.

A page answers again only when the task in hand is over. What other programs on the machine do lengthens every task, so
that the processor seconds of the longest ones stand beside their time.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import imageio_ffmpeg

from benchmarks.report import RESULTS, Report, Table, write
from benchmarks.service import Service

LONG = "page-long"  # the id of the made transcript in the browser
WORDS, SECONDS = 30_000, 10_800
SPEAKERS = [f"Speaker {number}" for number in range(1, 5)]
SPOKEN = [
    *"aeiou",
    "the",
    "of",
    "and",
    "to",
    "in",
    "he",
    "she",
    "was",
    "that",
    "it",
    "his",
    "her",
    "had",
    "been",
    "there",
    "would",
]
DESK = {"width": 1280, "height": 800}
ROUNDS = 5
LIMIT = 100.0  # milliseconds, of a task that nobody feels
TASKS = ("devtools.timeline", "disabled-by-default-devtools.timeline")
KEEP = """async ([talk, sound]) => {
  const opening = indexedDB.open("stt");
  const database = await new Promise(done => opening.onsuccess = () => done(opening.result));
  const change = database.transaction(["talks", "sounds"], "readwrite");
  change.objectStore("talks").put(talk);
  const bytes = Uint8Array.from(atob(sound), letter => letter.charCodeAt(0));
  change.objectStore("sounds").put(new Blob([bytes], { type: "audio/flac" }), talk.id);
  await new Promise(done => change.oncomplete = done);
  database.close();
}"""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person does, and the tasks that it made the page do."""

    name: str
    tasks: Sequence[tuple[float, float]]  # milliseconds, and processor milliseconds of the same, longest first


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    rounds = []
    with TemporaryDirectory() as folder, Service() as service, _browser() as browser:
        sound = silence(Path(folder), SECONDS)
        for number in range(options.rounds):
            rounds.append(_measure(browser, f"http://127.0.0.1:{service.port}", sound))
            print(f"round {number + 1}: first paint {rounds[-1][0]:.0f} ms", flush=True)
    report = _report(rounds)
    print(report.tables[0].markdown(), report.tables[1].markdown(), sep="\n\n")
    if options.save:
        write(report, RESULTS)
    return 0


def made_transcript(words: int, seconds: float) -> dict[str, Any]:
    """As the service answers: sentences of 5 to 25 words of four speakers, a twentieth of them unsure."""
    chance, step, segments = random.Random(7), seconds / words, []
    first = 0
    while first < words:
        end = min(words, first + chance.randint(5, 25))
        spoken = [
            {
                "word": chance.choice(SPOKEN) + "." * (place == end - 1),
                "start": place * step,
                "end": (place + 0.8) * step,
                "confidence": chance.choices([0.3, 0.9], [1, 19])[0],
            }
            for place in range(first, end)
        ]
        segments.append(_segment(spoken, chance.choice(SPEAKERS)))
        first = end
    return {
        "text": " ".join(segment["text"] for segment in segments), "language": "en", "languages": ["en"],
        "duration": seconds, "segments": segments, "speakers": SPEAKERS, "warnings": [], "model": "base",
        "coverage": {"speech_seconds": seconds, "covered_seconds": seconds, "gaps": []},
    }  # fmt: skip


def _segment(spoken: Sequence[dict[str, Any]], speaker: str) -> dict[str, Any]:
    text = " ".join(each["word"] for each in spoken)
    times = {"start": spoken[0]["start"], "end": spoken[-1]["end"]}
    return times | {"text": text, "language": "en", "confidence": 0.9, "speaker": speaker, "words": list(spoken)}


def silence(folder: Path, seconds: float) -> bytes:
    """FLAC, so that there is something to seek in."""
    path = folder / "silence.flac"
    source = ["-f", "lavfi", "-i", "anullsrc=sample_rate=8000:channel_layout=mono", "-t", str(seconds)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *source, str(path)], check=True)
    return path.read_bytes()


def open_transcript(page: Any, address: str, transcript: dict[str, Any], sound: bytes) -> None:
    """Puts it where the page keeps its own, and opens it there. page: of a Playwright browser, at the address"""
    talk = {"id": LONG, "name": "long.flac", "created": 0, "language": "auto", "status": "done", "names": {}}
    page.evaluate(KEEP, [talk | {"transcript": transcript}, b64encode(sound).decode()])
    page.goto(f"{address}/#{LONG}")
    page.reload()
    page.wait_for_selector(".transcript")


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # the tests' environment has it

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=shutil.which("chromium"))
        yield running
        running.close()


def _measure(browser: Any, address: str, sound: bytes) -> tuple[float, list[Act]]:
    """First paint of an empty page in milliseconds, and what is done with a long transcript."""
    page = browser.new_context(viewport=DESK).new_page()
    page.goto(f"{address}/")
    page.wait_for_selector(".welcome")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    transcript = made_transcript(WORDS, SECONDS)
    open_transcript(page, address, transcript, sound)
    acts = [
        _traced(browser, page, "open", lambda: (page.reload(), page.wait_for_selector(".transcript"))),
        _traced(browser, page, "scroll, 30 screens", lambda: _turn_wheel(page, 30)),
        _traced(browser, page, "seek, 5 places", lambda: _seek(page, [0.9, 0.2, 0.6, 0.99, 0.01])),
        _traced(browser, page, "correct a sentence", lambda: _correct(page)),
    ]
    page.context.close()
    return paint, acts


def _turn_wheel(page: Any, screens: int) -> None:
    page.mouse.move(800, 600)
    for _ in range(screens):
        page.mouse.wheel(0, DESK["height"])
        page.wait_for_timeout(100)


def _seek(page: Any, shares: Sequence[float]) -> None:
    for share in shares:
        page.get_by_label("Position").fill(str(round(share * SECONDS)))
        page.wait_for_selector(".now")
        page.wait_for_timeout(500)


def _correct(page: Any) -> None:
    page.get_by_role("button", name="Correct").first.click()
    editor = page.get_by_label("Correct the text")
    editor.fill("Something else was said.")
    editor.press("Enter")
    page.wait_for_timeout(500)


def _traced(browser: Any, page: Any, name: str, act: Any) -> Act:
    browser.start_tracing(page=page, categories=list(TASKS))
    act()
    page.wait_for_timeout(500)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    threads = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [
        (event["dur"] / 1000, event.get("tdur", 0) / 1000)
        for event in events
        if event["name"] == "RunTask" and (event["pid"], event["tid"]) in threads and "dur" in event
    ]
    return Act(name, sorted(tasks, reverse=True)[:20])


def _report(rounds: Sequence[tuple[float, list[Act]]]) -> Report:
    paints = [paint for paint, _ in rounds]
    rows = []
    for acts in zip(*(acts for _, acts in rounds), strict=True):
        longest = [act.tasks[0][0] for act in acts]
        busiest = [max(processor for _, processor in act.tasks) for act in acts]
        over = sum(processor > LIMIT for act in acts for _, processor in act.tasks)
        rows.append([acts[0].name, _spread(longest), _spread(busiest), over])
    return Report(
        "page",
        f"python -m benchmarks page --rounds {len(rounds)} --save",
        [
            Table("First contentful paint", ["milliseconds, median (least to most)"], [[_spread(paints)]]),
            Table(
                f"The longest task, {WORDS} words in three hours",
                ["what is done", "ms", "processor ms", f"tasks over {LIMIT:.0f} processor ms"],
                rows,
                f"Medians of {len(rounds)} rounds (least to most); the last column counts all rounds.",
            ),
        ],
        {"playwright": version("playwright")},
        {"paints": paints, "acts": [{act.name: act.tasks[:5] for act in acts} for _, acts in rounds]},
    )


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks page", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--save", action="store_true", help="as benchmarks/results/page")
    return parser
