"""`stt transcribe` against a service that does nothing real; tests/e2e/test_command.py runs the real one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import JSONResponse

from gateway.cli.main import main
from tests.unit.gateway.cli.fake_service import FakeService, StrangeResponse, run_fake, run_on_terminal

LINES = "Speaker 1: Good morning.\nSpeaker 2: Hello.\n"


@pytest.fixture
def service() -> Iterator[FakeService]:
    with run_fake(FakeService()) as running:
        running.release.set()
        yield running


@pytest.fixture
def recordings(tmp_path: Path) -> list[str]:
    names = [str(tmp_path / f"{number}.mp3") for number in range(5)]
    for name in names:
        Path(name).write_bytes(b"sound")
    return names


def transcribe(service: FakeService, *arguments: str) -> int:
    return main(["transcribe", "--url", service.url, *arguments])


def test_one_transcript_is_printed_as_it_is(
    service: FakeService, recordings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert transcribe(service, recordings[0]) == 0
    assert capsys.readouterr() == (LINES, "")


def test_a_translation_channels_and_key_terms_are_asked_for(
    service: FakeService, recordings: list[str], tmp_path: Path
) -> None:
    agenda = tmp_path / "agenda.txt"
    agenda.write_text("Lunch with Nakagawa.", encoding="utf-8")
    options = ("--task", "translate", "--channels", "separate", "--channel-names", "Agent,Customer")

    assert transcribe(service, *options, "--keyterms", "Siobhan", "--keyterms-text", str(agenda), recordings[0]) == 0

    (form,) = service.forms
    assert (form["task"], form["channels"], form["channel_names"]) == ("translate", "separate", "Agent,Customer")
    assert (form["keyterms"], form["keyterms_text"]) == ("Siobhan", "Lunch with Nakagawa.")


def test_several_are_printed_in_order_with_headers(
    service: FakeService, recordings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert transcribe(service, *recordings[:2]) == 0

    assert capsys.readouterr().out == f"==> {recordings[0]} <==\n{LINES}\n==> {recordings[1]} <==\n{LINES}"


def test_several_as_json_are_one_object_a_line(
    service: FakeService, recordings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert transcribe(service, "--format", "json", *recordings[:2]) == 0

    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["file"] for answer in answers] == recordings[:2]
    assert [answer["text"] for answer in answers] == ["Good morning. Hello."] * 2


@pytest.mark.parametrize(("arguments", "at_once"), [([], 2), (["--jobs", "3"], 3)])
def test_as_many_are_sent_at_once_as_the_tier_allows(
    service: FakeService, recordings: list[str], arguments: list[str], at_once: int
) -> None:
    service.release.clear()
    working = threading.Thread(target=transcribe, args=(service, *arguments, *recordings))
    working.start()
    while len(service.started) < at_once:
        time.sleep(0.01)
    service.release.set()
    working.join()

    assert service.most == at_once
    assert len(service.started) == 5


def test_a_folder_becomes_a_folder_and_what_was_written_is_told(
    service: FakeService, recordings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    assert transcribe(service, str(tmp_path), "--output", str(out)) == 0

    assert {path.name for path in out.iterdir()} == {f"{number}.txt" for number in range(5)}
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sorted(shown.err.splitlines()) == [f"wrote {out}/{number}.txt" for number in range(5)]


@pytest.mark.parametrize("form", ["txt", "srt", "vtt", "json"])
def test_warnings_are_told_beside_every_format(
    service: FakeService, recordings: list[str], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    service.warnings = ("The file is damaged.",)

    assert transcribe(service, "--format", form, recordings[0]) == 0

    assert capsys.readouterr().err == f"{recordings[0]}: warning: The file is damaged.\n"


def test_a_refusal_of_the_service_is_told_with_what_helps(
    service: FakeService, recordings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    service.refusal = JSONResponse({"error": "The limit is used up today."}, 429, headers={"Retry-After": "81596"})

    assert transcribe(service, recordings[0]) == 1

    told = capsys.readouterr().err
    assert "The limit is used up today. (try again in 22 h 39 min)" in told
    assert "stt keys create" in told


@pytest.mark.parametrize("command", [["transcribe", "FILE"], ["usage"], ["status"], ["models"]])
@pytest.mark.parametrize("answer", [(405, "Method Not Allowed"), (200, "<html>"), (200, '{"models": []}')])
def test_something_else_at_the_address_is_told(
    service: FakeService,
    recordings: list[str],
    command: list[str],
    answer: tuple[int, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.refusal = StrangeResponse(answer[1], answer[0])

    arguments = [recordings[0] if each == "FILE" else each for each in command]
    assert main([*arguments, "--url", service.url]) == 1

    told = capsys.readouterr().err
    assert f"what answers at {service.url} is not stt" in told
    assert "--url or STT_CLIENT_URL" in told


@pytest.mark.parametrize(
    "arguments",
    [["--output", "/proc/t.txt"], ["--plot", "x.foo"], ["--plot", "/proc/x.png"]],
    ids=["output", "kind of picture", "picture"],
)
def test_output_that_cannot_be_written_is_refused_before_the_work(
    service: FakeService, recordings: list[str], arguments: list[str]
) -> None:
    assert transcribe(service, recordings[0], *arguments) == 2
    assert service.started == []


def test_output_that_fails_after_the_work_is_printed(
    service: FakeService, recordings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "0.txt"
    service.release.clear()

    def take_away() -> None:
        while not service.started:
            time.sleep(0.01)
        out.parent.rmdir()
        out.parent.write_text("a file now")
        service.release.set()

    taking = threading.Thread(target=take_away)
    taking.start()
    code = transcribe(service, recordings[0], "--output", str(out))
    taking.join()

    shown = capsys.readouterr()
    assert code == 1
    assert shown.out == LINES
    assert f"{out} cannot be written" in shown.err


def test_a_picture_that_fails_does_not_cost_the_transcript(
    service: FakeService, recordings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert transcribe(service, recordings[0], "--plot", str(tmp_path / "x.png")) == 1

    shown = capsys.readouterr()
    assert shown.out == LINES
    assert "ffmpeg finds no sound" in shown.err


def test_a_summary_stands_under_its_transcript(
    service: FakeService, recordings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    service.events = [{"type": "summary", "summary": "They greet each other."}]

    assert transcribe(service, recordings[0], "--summary", "brief") == 0

    assert capsys.readouterr().out == f"{LINES}\nSummary\nThey greet each other.\n"


def test_on_a_terminal_speakers_have_colours_and_times(service: FakeService, recordings: list[str]) -> None:
    shown = run_on_terminal("transcribe", "--url", service.url, recordings[0])

    assert shown.code == 0
    assert "\x1b[2m0:00\x1b[0m  \x1b[1;36mSpeaker 1\x1b[0m\r\n\x1b[36mGood morning.\x1b[0m\r\n\r\n" in shown.out
    assert "\x1b[2m0:12\x1b[0m  \x1b[1;35mSpeaker 2\x1b[0m\r\n\x1b[35mHello.\x1b[0m\r\n" in shown.out


def test_warnings_are_yellow_on_a_terminal(service: FakeService, recordings: list[str]) -> None:
    service.warnings = ("The file is damaged.",)

    shown = run_on_terminal("transcribe", "--url", service.url, recordings[0], columns=200)

    assert f"\x1b[33m{recordings[0]}: warning: The file is damaged.\x1b[0m" in shown.out


def test_what_is_piped_is_plain_though_progress_is_shown_on_the_terminal(
    service: FakeService, recordings: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.txt"

    shown = run_on_terminal("transcribe", "--url", service.url, recordings[0], piped=out)

    assert shown.code == 0
    assert out.read_text() == LINES
    assert "Good morning" not in shown.out


def test_what_a_full_disk_does_not_take_is_told_on_the_terminal(service: FakeService, recordings: list[str]) -> None:
    shown = run_on_terminal("transcribe", "--url", service.url, recordings[0], piped=Path("/dev/full"))

    assert shown.code == 1
    assert LINES in shown.out.replace("\r", "")
    assert "stt: standard output cannot be written: No space left on device; its text is above" in shown.out
    assert "Traceback" not in shown.out


def test_percent_and_time_left_are_shown_for_each_stage(service: FakeService, recordings: list[str]) -> None:
    service.release.clear()
    service.release_after = 4

    shown = run_on_terminal("transcribe", "--url", service.url, recordings[0], columns=100)

    assert "0.mp3: recognizing" in shown.out
    assert "25%" in shown.out
    assert "left" in shown.out
