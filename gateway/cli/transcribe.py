"""`stt transcribe`: files to a running service, transcripts to standard output or to files."""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx
from rich.progress import Progress, TaskID

from gateway.cli.summarize import SummarizeFailed, spoken, summarize
from gateway.cli.terminal import add_url, read_error, shown_progress
from gateway.http.parameters import RESPONSE_FORMATS
from gateway.settings import Settings
from gateway.summaries.styles import ALIASES, STYLES
from gateway.transcript.rendering import read_fields, render

FORMATS = tuple(dict.fromkeys(RESPONSE_FORMATS.values()))
CONNECT_SECONDS = 10.0
POLL_SECONDS = 0.5
POLL_TIMEOUT = 2.0


class TranscribeFailed(Exception):
    """One file brought no transcript; the text is shown to the user."""


@contextmanager
def poll_progress(address: str, progress: Progress, task: TaskID, name: str) -> Iterator[None]:
    """Shows what the service says about the request, in a thread of its own."""
    ended = threading.Event()

    def follow() -> None:
        with httpx.Client(timeout=POLL_TIMEOUT) as client:
            while not ended.wait(POLL_SECONDS):
                with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                    show(client.get(address).json())

    def show(answer: dict[str, Any]) -> None:
        if answer["stage"] != "receiving":
            progress.update(task, description=f"{name}: {answer['stage']}", total=1.0, completed=answer["done"])

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


class ProgressFile:
    """A file that tells the progress bar how much of it was read, for httpx to send."""

    def __init__(self, file: BinaryIO, progress: Progress, task: TaskID) -> None:
        self._file = file
        self._progress = progress
        self._task = task

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._progress.advance(self._task, len(piece))
        return piece

    def fileno(self) -> int:
        return self._file.fileno()

    def seek(self, position: int) -> int:
        return self._file.seek(position)


@dataclass(frozen=True, slots=True)
class TranscribeCall:
    url: str
    key: str
    fields: dict[str, str]  # of the form


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("transcribe", help="transcribe files with a running service")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--format", choices=FORMATS, default="txt", help="of the transcript (default: txt)")
    parser.add_argument("--language", default="auto", help="code or English name (default: auto)")
    parser.add_argument("--model", default="", help="model to use (default: the service's)")
    parser.add_argument(
        "--summary", choices=[*STYLES, *ALIASES], metavar="STYLE", help=f"also summarise: {', '.join(STYLES)}"
    )
    parser.add_argument("--output", type=Path, help="file for the transcript; a folder for several")
    parser.add_argument("--speakers", type=int, default=0, help="how many there are (default: found out)")
    parser.add_argument("--no-diarize", action="store_true", help="do not tell speakers apart")
    parser.add_argument("--no-speaker-labels", action="store_true", help="do not name speakers in txt, srt and vtt")
    parser.add_argument(
        "--plot", type=Path, metavar="PICTURE", help="also draw sound, speakers and text (png, svg, pdf)"
    )
    add_url(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    fields = form_fields(options)
    url = options.url or settings.client.url
    call = TranscribeCall(url.rstrip("/"), settings.client.key, {name: text for name, text in fields.items() if text})
    try:
        targets = choose_targets(options.files, options.output, options.format)
        if options.plot and len(targets) > 1:
            raise TranscribeFailed("--plot draws one recording; give one file")
    except TranscribeFailed as problem:
        print(f"stt: {problem}", file=sys.stderr)
        return 2
    failed = 0
    patience = httpx.Timeout(None, connect=CONNECT_SECONDS)
    with shown_progress() as progress, httpx.Client(timeout=patience) as client:
        for path, target in targets:
            try:
                transcript = transcribe(client, call, path, progress)
                if options.plot:
                    transcript = draw(transcript, path, options)
                write(transcript, target)
                if options.summary and (said := spoken(transcript).strip()):
                    text = {"text": said, "style": options.summary, "language": options.language}
                    write_summary(summarize(call.url, call.key, text, progress), target)
            except (TranscribeFailed, SummarizeFailed) as problem:
                progress.console.print(f"{path}: {problem}", style="red", markup=False, highlight=False)
                failed += 1
    return 1 if failed else 0


def form_fields(options: argparse.Namespace) -> dict[str, str]:
    """A picture needs every word's time, which JSON has: the wanted format is then made here."""
    return {
        "language": options.language,
        "response_format": "json" if options.plot else options.format,
        "model": options.model,
        "diarize": "false" if options.no_diarize else "true",
        "speakers": str(options.speakers),
        "speaker_labels": "false" if options.no_speaker_labels else "true",
    }


def draw(answer: str, recording: Path, options: argparse.Namespace) -> str:
    """Draws the service's JSON and returns it in the wanted format. Raises TranscribeFailed."""
    from gateway.cli.plot import PlotFailed, plot  # matplotlib takes a second to import

    try:
        transcript = read_fields(json.loads(answer))
    except (KeyError, TypeError, ValueError) as problem:
        raise TranscribeFailed(f"the service's answer cannot be read: {problem}") from problem
    try:
        plot(transcript, recording, options.plot)
    except PlotFailed as problem:
        raise TranscribeFailed(str(problem)) from problem
    if options.format == "json":
        return answer
    return render(transcript, options.format, labels=not options.no_speaker_labels)[0]


def choose_targets(files: list[Path], output: Path | None, ending: str) -> list[tuple[Path, Path | None]]:
    """Where each file's transcript goes; None is standard output."""
    for path in files:
        if not path.is_file():
            raise TranscribeFailed(f"{path}: there is no such file")
    if output is None:
        return [(path, None) for path in files]
    if len(files) == 1 and not output.is_dir():
        return [(files[0], output)]
    if output.exists() and not output.is_dir():
        raise TranscribeFailed(f"{output} is a file; give a folder for several transcripts")
    targets = [(path, output / f"{path.stem}.{ending}") for path in files]
    if len({target for _, target in targets}) < len(targets):
        raise TranscribeFailed("two of the files have the same name; transcribe them one by one")
    return list(targets)


def transcribe(client: httpx.Client, call: TranscribeCall, path: Path, progress: Progress) -> str:
    """The transcript of one file as the service renders it. Raises TranscribeFailed."""
    task = progress.add_task(f"{path.name}: sending", total=path.stat().st_size)
    identity = f"stt-{secrets.token_hex(10)}"
    named = {"X-Request-Id": identity} | ({"Authorization": f"Bearer {call.key}"} if call.key else {})
    headers = httpx.Headers(named, encoding="utf-8")
    try:
        with path.open("rb") as file, poll_progress(f"{call.url}/v1/progress/{identity}", progress, task, path.name):
            sent: Any = {"file": (path.name, ProgressFile(file, progress, task))}
            answer = client.post(f"{call.url}/v1/transcribe", data=call.fields, files=sent, headers=headers)
    except httpx.ConnectError as problem:
        raise TranscribeFailed(f"no service answers at {call.url}; `stt serve` starts one") from problem
    except (httpx.HTTPError, OSError) as problem:
        raise TranscribeFailed(f"the connection to {call.url} broke: {problem}") from problem
    finally:
        progress.remove_task(task)
    if answer.status_code != 200:
        raise TranscribeFailed(read_error(answer))
    return answer.text


def write(text: str, target: Path | None) -> None:
    if target is None:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def write_summary(summary: str, target: Path | None) -> None:
    """After the transcript, or in a file beside it."""
    if target is None:
        write(f"\nSummary\n{summary}", None)
    else:
        write(f"{summary}\n", target.with_name(f"{target.stem}.summary.txt"))
