"""The examples of docs/api.md: commands for curl, run against a service, and what comes back."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.api_pages import MORE, pretty
from tests.described_api import DescribedApi
from tests.e2e.service_process import ServiceProcess, client_of, stt_keys, wait_for_summaries

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8080"  # as the pages write it
KEY = ' \\\n  -H "Authorization: Bearer $STT_CLIENT_KEY"'
SPEECH, SENTENCE, TALK = (f"-F file=@tests/data/{name}.flac" for name in ("young-man", "dashwood", "telephone"))
MEETING = "Anna: Priya, fix the refunds by Friday, please. Priya: I will."
SEGMENTS = (
    ("Anna", "We decided to launch the app on the third of May.", 0.0, 3.1),
    ("Anna", "The price stays at nine euros a month.", 3.4, 5.6),
    ("Anna", "Priya, fix the refunds by Friday, please.", 6.0, 8.2),
    ("Priya", "I will. Sales rose by four percent in spring.", 8.5, 12.0),
)
SHOWN = (  # headers of an answer; the others are HTTP's own
    *(
        "Content-Type",
        "X-Model",
        "X-Warnings",
        "X-Credits-Remaining",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
    ),
    *("Idempotency-Replayed", "Retry-After", "WWW-Authenticate", "Allow", "Cache-Control", "X-Request-Id"),
    *("x-should-retry", "X-Error", "Asr-Engine", "Content-Disposition"),
)
LONG_LIST = 16  # entries; of a longer one the first few are shown


def transcribe(*options: str, key: str = KEY) -> str:
    return f"curl {ADDRESS}/v1/transcribe{key} \\\n  {' '.join(options)}"


def summarize(*options: str, **fields: str) -> str:
    lines = [f"curl {ADDRESS}/v1/summarize{KEY}", *options, f"--json '{json.dumps({'text': MEETING, **fields})}'"]
    return " \\\n  ".join(lines)


def summarize_segments(*options: str, **fields: str | bool) -> str:
    segments = [dict(zip(("speaker", "text", "start", "end"), segment, strict=True)) for segment in SEGMENTS]
    listed = ",\n".join(f"    {json.dumps(segment)}" for segment in segments)
    others = "".join(f",\n  {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
    body = f'{{\n  "segments": [\n{listed}\n  ]{others}\n}}'
    return " \\\n  ".join([f"curl {ADDRESS}/v1/summarize{KEY}", *options, f"--json '{body}'"])


def openai(address: str, *options: str) -> str:
    return f"curl {ADDRESS}/v1/audio/{address}{KEY} \\\n  {' '.join(options)}"


def asr(address: str, recording: str) -> str:
    return f"curl '{ADDRESS}/{address}'{KEY} \\\n  -F audio_file=@tests/data/{recording}"


EVENTS = '-H "Accept: text/event-stream"'
CURL = {
    "transcribe-json": transcribe(SPEECH),
    "transcribe-txt": transcribe(TALK, "-F response_format=txt"),
    "transcribe-srt": transcribe(SENTENCE, "-F response_format=srt"),
    "transcribe-vtt": transcribe(TALK, "-F response_format=vtt -F speakers=2"),
    "transcribe-warnings": transcribe(SPEECH, "-F response_format=txt -F model=large-v3"),
    "transcribe-replayed": transcribe('-H "Idempotency-Key: order-1234"', SPEECH, "-F response_format=txt"),
    "openai-json": openai("transcriptions", SENTENCE, "-F model=whisper-1"),
    "openai-srt": openai("transcriptions", SENTENCE, "-F model=whisper-1 -F response_format=srt"),
    "openai-verbose": openai(
        "transcriptions",
        SPEECH,
        "-F response_format=verbose_json \\\n ",
        "-F timestamp_granularities[]=word -F timestamp_granularities[]=segment",
    ),
    "openai-diarized": openai(
        "transcriptions", TALK, "-F model=gpt-4o-transcribe-diarize", "-F response_format=diarized_json"
    ),
    "openai-stream": openai("transcriptions", SENTENCE, "-F stream=true"),
    "openai-translation": openai("translations", "-F file=@tests/data/spanish.opus", "-F model=whisper-1"),
    "openai-cannot-translate": openai("translations", SENTENCE, "-F model=large-v3-turbo"),
    "openai-model": f"curl {ADDRESS}/v1/models/whisper-1",
    "openai-error-404": f"curl -X POST {ADDRESS}/v1/v1/audio/transcriptions",
    "asr-srt": asr("asr?output=srt&language=en", "dashwood.flac"),
    "asr-json": asr("asr?output=json", "young-man.flac"),
    "asr-error": asr("asr?output=docx", "young-man.flac"),
    "detect-language": asr("detect-language", "french.opus"),
    "progress": f"curl {ADDRESS}/v1/progress/meeting-0007",
    "summarize-json": summarize(style="bullet_points"),
    "summarize-evidence": summarize_segments(style="brief", evidence=True),
    "summarize-events": summarize_segments(EVENTS),
    "models": f"curl {ADDRESS}/v1/models",
    "languages": f"curl {ADDRESS}/v1/languages",
    "usage": f"curl {ADDRESS}/v1/usage{KEY}",
    "usage-anonymous": f"curl {ADDRESS}/v1/usage",
    "health": f"curl {ADDRESS}/health",
    "index": f"curl {ADDRESS}/",
    "error-400": transcribe(SPEECH, "-F speakers=two"),
    "error-401": f'curl {ADDRESS}/v1/usage -H "Authorization: Bearer stt_wrong"',
    "error-402": transcribe(SPEECH),
    "error-403": f'curl {ADDRESS}/v1/models -H "Origin: https://elsewhere.example"',
    "error-404": f"curl {ADDRESS}/v1/nothing",
    "error-405": f"curl -X DELETE {ADDRESS}/v1/models",
    "error-408": "sleep 4 | " + transcribe('-H "Content-Type: multipart/form-data; boundary=b" -X POST -T -'),
    "error-409": transcribe('-H "Idempotency-Key: order-1235"', TALK),
    "error-413": "head -c 9000000 /dev/zero | " + transcribe('-F "file=@-;filename=film.mkv"'),
    "error-429": transcribe(SPEECH, key=""),
    "error-500": transcribe(SPEECH),
    "error-503": f"curl {ADDRESS}/v1/summarize \\\n  --json '{json.dumps({'text': MEETING})}'",
    "summarize-error": summarize_segments(EVENTS),
}


@dataclass(frozen=True, slots=True)
class Recorder:
    """Runs the examples; some need a service that is in a certain state."""

    metered: ServiceProcess  # with keys, limits, short waits and a summarizer
    bare: ServiceProcess  # without a summarizer
    key: str  # of an account with credits
    long_recording: Path

    def record(self, name: str) -> str:
        """What stands on the page: the command, and the answer."""
        service = self.bare if name == "error-503" else self.metered
        key = self._key_without_credits() if name == "error-402" else self.key
        with self._circumstances(name):
            run = self._run_while_the_summarizer_dies if name == "summarize-error" else run_curl
            answer = run(CURL[name], service.url, key)
        DescribedApi(httpx.get(f"{service.url}/openapi.json").json()).check(answer)
        return f"```sh\n{CURL[name]}\n```\n```http\n{in_http(answer)}```\n"

    def _run_while_the_summarizer_dies(self, command: str, url: str, key: str) -> httpx.Response:
        """It is killed after the first event, and is back when this returns."""
        output = b""
        with start_curl(command, url, key) as running:
            assert running.stdout is not None
            while b"event:" not in output:
                output += running.stdout.readline()
            for pid, program in self.metered.children().items():
                if "llama_server" in program:
                    os.kill(pid, signal.SIGKILL)
            output += running.stdout.read()
        wait_for_summaries(self.metered, key)
        return parsed(output, command, url)

    def _key_without_credits(self) -> str:
        return stt_keys(self.metered.data, "create", "--tier", "paid", "--credits", "0").stdout.strip()

    def _circumstances(self, name: str) -> AbstractContextManager[None]:
        if name == "transcribe-replayed":
            run_curl(CURL[name], self.metered.url, self.key)
        elif name == "progress":
            return self._in_hand("meeting-0007", ("recognizing",))
        elif name == "error-409":
            return self._in_hand("meeting-0008", ("decoding", "recognizing"), {"Idempotency-Key": "order-1235"})
        elif name == "error-429":
            for _ in range(3):
                run_curl(CURL[name], self.metered.url, "")
        elif name == "error-500":
            return self._without_spool()
        return nullcontext()

    @contextmanager
    def _in_hand(self, identity: str, stages: tuple[str, ...], headers: dict[str, str] | None = None) -> Iterator[None]:
        """While a long recording is transcribed, from one of the stages on."""
        sent = {"X-Request-Id": identity, "Authorization": f"Bearer {self.key}", **(headers or {})}
        options = [part for name, value in sent.items() for part in ("-H", f"{name}: {value}")]
        form = ["-F", f"file=@{self.long_recording}", "-F", "diarize=false"]
        command = ["curl", "--silent", f"{self.metered.url}/v1/transcribe", *options, *form]
        with client_of(self.metered) as client, subprocess.Popen(command, stdout=subprocess.DEVNULL) as sending:
            while client.get(f"/v1/progress/{identity}").json().get("stage") not in stages:
                assert sending.poll() is None
                time.sleep(0.05)
            yield
            sending.terminate()  # its work ends with it

    @contextmanager
    def _without_spool(self) -> Iterator[None]:
        """An operator has removed the folder under a service that runs."""
        spool, aside = self.metered.data / "spool", self.metered.data / "spool-aside"
        shutil.move(spool, aside)
        try:
            yield
        finally:
            shutil.move(aside, spool)


def run_curl(command: str, url: str, key: str) -> httpx.Response:
    """As a user types it, with the address of this service."""
    with start_curl(command, url, key) as running:
        assert running.stdout is not None
        return parsed(running.stdout.read(), command, url)


def start_curl(command: str, url: str, key: str) -> subprocess.Popen[bytes]:
    here = command.replace("curl ", "curl --silent --show-error --no-buffer --include ").replace(ADDRESS, url)
    return subprocess.Popen(
        ["sh", "-c", here], cwd=ROOT, env=os.environ | {"STT_CLIENT_KEY": key}, stdout=subprocess.PIPE
    )


def parsed(output: bytes, command: str, url: str) -> httpx.Response:
    """What curl printed with --include."""
    head, _, body = output.partition(b"\r\n\r\n")
    while head.split()[1].startswith(b"1"):  # 100 Continue
        head, _, body = body.partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    method = "DELETE" if "DELETE" in command else "POST" if re.search(" -F | --json | -T |-X POST", command) else "GET"
    path = re.search(rf"{ADDRESS}([^\s']+)", command)
    assert path is not None
    return httpx.Response(
        int(status.split()[1]),
        headers=[(header.partition(": ")[0], header.partition(": ")[2]) for header in headers],
        content=body,
        extensions={"reason_phrase": status.split(" ", 2)[2].encode()},
        request=httpx.Request(method, url + path[1]),
    )


def in_http(answer: httpx.Response) -> str:
    """Status, headers that belong to the API, body."""
    headers = [f"{name}: {answer.headers[name]}\n" for name in SHOWN if name in answer.headers]
    body = answer.text
    if answer.headers["content-type"].startswith("application/json"):
        body = pretty(shortened(answer.json()))
    elif answer.headers["content-type"].startswith("text/event-stream"):
        body = "\n\n".join(shortened_events(body.strip().split("\n\n")))
    return f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}\n{''.join(headers)}\n{body.strip()}\n"


def shortened(value: object) -> object:
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    if isinstance(value, list) and len(value) > LONG_LIST and "word" not in value[0]:
        return [*value[:3], f"{MORE} {len(value) - 3} more"]
    return value


def shortened_events(events: list[str]) -> list[str]:
    """The first two tokens stand for all of them. A line that begins with a colon is a comment of the stream."""
    tokens = [event for event in events if event.startswith("event: token")]
    if len(tokens) <= 3:
        return events
    kept = [event for event in events if event not in tokens[2:]]
    kept.insert(kept.index(tokens[1]) + 1, f": … {len(tokens) - 2} more tokens")
    return kept
