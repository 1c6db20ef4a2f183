"""`stt jobs …` and `stt transcribe --job` as a person types them, with a gateway whose models echo."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.integration.accounts.account_stores import AccountStore
from tests.integration.jobs.gateways import PATIENCE, SPEECH, EchoGateway, gateways, recording
from tests.integration.outgoing.web_server import WebAnswer, serving

STT = str(Path(sys.executable).with_name("stt"))
WINDOW_SECONDS = 0.3
UNKNOWN = "0" * 32


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Stt = Callable[..., Ended]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    async def create() -> str:
        store = AccountStore(f"sqlite:///{folder / 'accounts.db'}")
        await store.migrate()
        return await store.key(credits=1000)

    return asyncio.run(create())


@pytest.fixture(scope="module")
def gateway(folder: Path, key: str) -> Iterator[EchoGateway]:
    with serving(lambda _: WebAnswer(200, SPEECH.read_bytes())) as web:
        allowed = {"STT_OUTGOING_PORTS": str(web.port), "STT_OUTGOING_PRIVATE_HOSTS": "127.0.0.1"}
        with gateways(folder, "", [WINDOW_SECONDS], **allowed) as (gateway,):
            gateway.settings["WEB"] = web.url
            yield gateway


@pytest.fixture(scope="module")
def talk(folder: Path) -> Path:
    """20 minutes: enough to be interrupted."""
    return recording(folder / "talk.flac", 1200)


@pytest.fixture
def stt(gateway: EchoGateway, key: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Stt:
    monkeypatch.setenv("STT_CLIENT_URL", gateway.url)
    monkeypatch.setenv("STT_CLIENT_KEY", key)

    def run(*arguments: str | Path) -> Ended:
        try:
            code = main([str(each) for each in arguments])
        except SystemExit as problem:  # argparse's
            code = int(str(problem.code))
        return Ended(code, *capfd.readouterr())

    return run


def submitted(stt: Stt, *arguments: str | Path) -> str:
    ended = stt("jobs", "submit", *arguments)
    assert ended.code == 0, ended.err
    return ended.out.strip()


def test_a_recording_is_handed_over_followed_and_fetched(stt: Stt) -> None:
    identity = submitted(stt, SPEECH, "--language", "en", "--metadata", '{"ticket": 4711}')

    watched = stt("jobs", "watch", identity)
    shown = stt("jobs", "show", identity)
    fetched = stt("jobs", "show", identity, "--format", "srt")
    answer = json.loads(stt("jobs", "show", identity, "--json").out)
    listed = stt("jobs", "list", "--status", "completed")

    assert watched.code == 0
    assert watched.out.startswith("w")
    assert "completed" in watched.err
    assert shown.out.startswith(f"{identity}  completed  100%  {SPEECH.name}\nlength 7 s, model base\n")
    assert fetched.out.startswith("1\n00:00:00,")
    assert answer["metadata"] == {"ticket": 4711}
    assert any(line.startswith(identity) for line in listed.out.splitlines())


def test_transcribe_as_a_job_prints_what_a_call_prints(stt: Stt) -> None:
    called = stt("transcribe", SPEECH, "--format", "vtt")
    as_job = stt("transcribe", SPEECH, "--format", "vtt", "--job")

    assert (as_job.code, as_job.out) == (0, called.out)
    assert as_job.out.startswith("WEBVTT")


def test_a_recording_that_fails_costs_its_own_job_only(stt: Stt, tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(SPEECH.read_bytes())
    (tmp_path / "b.mp3").write_bytes(b"no sound")
    (tmp_path / "c.flac").write_bytes(SPEECH.read_bytes())

    ended = stt("jobs", "submit", tmp_path)

    assert ended.code == 1
    assert len(ended.out.split()) == 2
    assert f"{tmp_path}/b.mp3: the file is not a recording" in ended.err


def test_a_recording_at_an_address_is_fetched_by_the_service(stt: Stt, gateway: EchoGateway) -> None:
    identity = submitted(stt, f"{gateway.settings['WEB']}/far.flac", "--no-diarize", "--metadata", '{"far": true}')

    watched = stt("jobs", "watch", identity)

    assert watched.code == 0
    assert "far.flac" in watched.err
    assert json.loads(stt("jobs", "show", identity, "--json").out)["metadata"] == {"far": True}


def test_a_job_in_work_is_cancelled_and_then_deleted(stt: Stt, gateway: EchoGateway, talk: Path) -> None:
    with gateway.held():
        identity = submitted(stt, talk)
        cancelled = stt("jobs", "cancel", identity)
    again = stt("jobs", "cancel", identity)
    watched = stt("jobs", "watch", identity)
    deleted = stt("jobs", "delete", identity)

    assert cancelled.code == 0
    assert (again.code, again.err) == (2, "stt: the job is cancelled; `stt jobs delete` removes it\n")
    assert watched.code == 1
    assert deleted.code == 0
    assert "There is no job of this id" in stt("jobs", "show", identity).err


def test_a_job_in_work_is_deleted_at_once(stt: Stt, gateway: EchoGateway, talk: Path) -> None:
    with gateway.held():
        identity = submitted(stt, talk)
        assert stt("jobs", "delete", identity).code == 0
    assert stt("jobs", "show", identity).code == 1


def test_jobs_are_listed_as_many_as_are_asked_for(stt: Stt) -> None:
    identities = [submitted(stt, SPEECH) for _ in range(2)]

    one, all_ = stt("jobs", "list", "--limit", "1"), stt("jobs", "list", "--limit", "500", "--json")

    assert len(one.out.splitlines()) == 2
    assert "There are older ones" in one.err
    assert [job["id"] for job in json.loads(all_.out)["jobs"]][:2] == identities[::-1]


def test_a_webhook_is_sent_again(stt: Stt, gateway: EchoGateway) -> None:
    without, told = submitted(stt, SPEECH), submitted(stt, SPEECH, "--webhook", f"{gateway.settings['WEB']}/heard")
    stt("jobs", "watch", told)

    resent, refused = stt("jobs", "resend", told), stt("jobs", "resend", without)

    assert resent.code == 0
    assert resent.err == f"The webhook is on its way to {gateway.settings['WEB']}/heard.\n"
    assert "webhook: " in stt("jobs", "show", told).out
    assert refused.code == 1
    assert "no webhook that could be sent again" in refused.err


def test_whoever_stops_watching_is_told_where_the_job_is(stt: Stt, gateway: EchoGateway, talk: Path) -> None:
    before = quiet_windows(gateway)
    identity = submitted(stt, talk)
    wait_for_windows(gateway, before + 4)
    with gateway.held():
        watching = start("jobs", "watch", identity)
        assert watching.stdout is not None and watching.stdout.readline()  # text of before
        interrupt(stt, watching)


def test_whoever_ends_a_transcription_is_told_where_the_job_is(stt: Stt, gateway: EchoGateway, talk: Path) -> None:
    before = quiet_windows(gateway)
    with gateway.held():
        transcribing = start("transcribe", "--job", talk)
        wait_for_windows(gateway, before + 4)
        interrupt(stt, transcribing)


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen([STT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def interrupt(stt: Stt, process: subprocess.Popen[str]) -> None:
    """It says where the job is, which goes on."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130, said
    identity = said.removeprefix("The job goes on: stt jobs watch ").strip()
    assert stt("jobs", "delete", identity).code == 0, said


def quiet_windows(gateway: EchoGateway) -> int:
    """How many there were, once those of jobs that were ended before are over."""
    before = -1
    while before != gateway.windows:
        before = gateway.windows
        time.sleep(4 * WINDOW_SECONDS)
    return before


def wait_for_windows(gateway: EchoGateway, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while gateway.windows < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("action", ["show", "watch", "cancel", "delete", "resend"])
def test_an_id_that_is_none_is_said_so(stt: Stt, action: str) -> None:
    ended = stt("jobs", action, UNKNOWN)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("stt: There is no job of this id")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "missing.mp3"], "stt: missing.mp3: there is no such file\n"),
        (["submit", str(SPEECH), "--metadata", "[1]"], "accepted is a JSON object, such as '{\"ticket\": 4711}'\n"),
        (["submit", str(SPEECH), "--webhook", "here"], "accepted: http://host:port, https://host\n"),
        (["list", "--limit", "0"], "accepted: 1, 20, 500\n"),
        ([], "the following arguments are required: ACTION\n"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent(
    stt: Stt, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STT_CLIENT_URL", "http://127.0.0.1:1")

    ended = stt("jobs", *arguments)

    assert ended.code == 2
    assert ended.err.endswith(said)


@pytest.mark.parametrize("action", [["list"], ["watch", UNKNOWN], ["submit", str(SPEECH)]], ids=" ".join)
def test_a_service_that_is_not_there_is_said_at_once(
    stt: Stt, action: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STT_CLIENT_URL", "http://127.0.0.1:1")

    ended = stt("jobs", *action)

    assert ended.code == 1
    assert ended.err.startswith("stt: no service answers at http://127.0.0.1:1;")


@pytest.mark.parametrize("wrong", ["", "stt_wrong"])
def test_a_key_that_is_missing_or_wrong_is_said_with_what_makes_one(
    stt: Stt, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("STT_CLIENT_KEY", wrong)

    ended = stt("jobs", "list")

    assert ended.code == 1
    assert "`stt keys create` makes a key; STT_CLIENT_KEY" in ended.err


def test_jobs_that_are_turned_off_are_said_so(
    stt: Stt, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = f"sqlite:///{folder / 'accounts.db'}"
    with gateways(tmp_path, accounts, [WINDOW_SECONDS], STT_JOBS_ENABLED="false") as (without,):
        monkeypatch.setenv("STT_CLIENT_URL", without.url)

        listed, sent = stt("jobs", "list"), stt("jobs", "submit", SPEECH)

    assert (listed.code, sent.code) == (1, 1)
    assert "they are turned off" in listed.err
    assert "they are turned off" in sent.err
