"""The grammar of the `stt` command. It imports nothing heavy: each command's module is imported when it runs."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias

FORMATS = ("json", "txt", "srt", "vtt")  # of transcripts, as the service names them
TASKS = ("transcribe", "translate")  # as the service names them
STYLES = ("brief", "detailed", "action_items", "bullet_points", "headline")  # of summaries
STYLE_ALIASES = ("bullets", "bullet-points", "action-items")
JOB_STATUSES = ("queued", "processing", "completed", "failed", "cancelled")  # as the service names them
RECONNECT_SECONDS = 120.0
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class ShowVersion(argparse.Action):
    """`--version`, which reads the installed package only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"stt {version('stt')}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="stt", description="Speech to text on your own machines.")
    top.add_argument("--version", action=ShowVersion)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    for add in (
        _add_serve,
        _add_transcribe,
        _add_listen,
        _add_jobs,
        _add_summarize,
        _add_status,
        _add_keys,
        _add_mcp,
        _add_completion,
    ):
        add(commands)
    return top


def _add_serve(commands: Subparsers) -> None:
    parser = _add(commands, "serve", "run the service")
    parser.add_argument("--host", help="address to listen on (default: STT_SERVER_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (default: STT_SERVER_PORT)")


def _add_transcribe(commands: Subparsers) -> None:
    parser = _add(commands, "transcribe", "transcribe recordings with a running service")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a recording, a folder of them, or - (standard input)")
    parser.add_argument("--format", choices=FORMATS, default="txt", help="of the transcript (default: txt)")
    parser.add_argument("--output", metavar="PATH", help="file for the transcript, or a folder for several")
    _add_recognition(parser)
    parser.add_argument("--job", action="store_true", help="hand it over as a job, and wait through whatever breaks")
    parser.add_argument("--no-speaker-labels", action="store_true", help="do not name speakers in txt, srt and vtt")
    parser.add_argument("--plot", metavar="PICTURE", help="also draw waveform, speakers and text (png, svg or pdf)")
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="recordings to send at once (default: what your tier allows)"
    )
    _add_url(parser)


def _add_jobs(commands: Subparsers) -> None:
    parser = _add(commands, "jobs", "hand recordings over, and come back for their transcripts")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    submit = _add(actions, "submit", "hand recordings over and print the ids of their jobs", module="jobs")
    submit.add_argument("files", nargs="+", metavar="FILE", help="a recording, a folder of them, an address, or -")
    _add_recognition(submit)
    submit.add_argument("--webhook", type=_url, metavar="ADDRESS", help="where the end of the jobs is told")
    submit.add_argument("--metadata", metavar="JSON", help="an object of yours that comes back with the job")
    listing = _add(actions, "list", "list your jobs, newest first", module="jobs")
    listing.add_argument("--status", choices=JOB_STATUSES, help="only jobs of this status")
    listing.add_argument("--limit", type=_positive, default=20, metavar="N", help="how many (default: 20)")
    show = _add(actions, "show", "show a job, or its transcript", module="jobs")
    show.add_argument("--format", choices=FORMATS, help="print the transcript in this format")
    for each in (
        show,
        _add(actions, "watch", "follow a job until it ends", module="jobs"),
        _add(actions, "cancel", "cancel a job that has not ended", module="jobs"),
        _add(actions, "delete", "delete a job with its recording and its transcript", module="jobs"),
        _add(actions, "resend", "send the webhook of a job that has ended again", module="jobs"),
    ):
        each.add_argument("id", metavar="ID", help="of the job")
    for each in (submit, listing, show):
        each.add_argument("--json", action="store_true", help="print the service's own answer")
    for name, action in actions.choices.items():
        action.set_defaults(action=name)
        _add_url(action)


def _add_listen(commands: Subparsers) -> None:
    parser = _add(commands, "listen", "transcribe a file or standard input live")
    parser.add_argument("file", metavar="FILE", help="any media file, or - for raw PCM (16-bit, 16 kHz, mono)")
    _add_language_and_model(parser)
    parser.add_argument("--diarize", action="store_true", help="name who speaks, and again when all was heard")
    parser.add_argument("--turns", action="store_true", help="a line for each turn, which ends sooner if that is heard")
    parser.add_argument("--fast", action="store_true", help="send as fast as the service accepts it, not in real time")
    parser.add_argument(
        "--patience", type=float, default=RECONNECT_SECONDS, metavar="SECONDS",
        help=f"how long to retry when the connection is lost (default: {RECONNECT_SECONDS:.0f})",
    )  # fmt: skip
    _add_url(parser)


def _add_summarize(commands: Subparsers) -> None:
    parser = _add(commands, "summarize", "summarize a transcript with a running service")
    parser.add_argument("file", metavar="FILE", help="text, or a transcript as json, srt or vtt; - is standard input")
    parser.add_argument("--style", choices=[*STYLES, *STYLE_ALIASES], default="brief", help="(default: brief)")
    parser.add_argument("--language", default="auto", help="of the transcript (default: detect)")
    parser.add_argument("--evidence", action="store_true", help="also print the sentences that bear each statement out")
    _add_url(parser)


def _add_status(commands: Subparsers) -> None:
    for name, about in (
        ("status", "show whether the service works, and how it was found"),
        ("models", "list the models that the service offers"),
        ("usage", "show what you used, and what is left"),
    ):
        parser = _add(commands, name, about, module="status")
        parser.set_defaults(action=name)
        parser.add_argument("--json", action="store_true", help="print the service's own answer")
        _add_url(parser)


def _add_keys(commands: Subparsers) -> None:
    parser = _add(commands, "keys", "create, list, revoke and rotate API keys; add credits")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    create = _add(actions, "create", "create a key and print it, once", module="keys")
    create.add_argument("--tier", default="free", help="what the key may do (default: free)")
    create.add_argument("--name", default="", help="whose key it is, shown in the list")
    create.add_argument("--credits", type=int, default=0, metavar="N", help="credits to start with")
    create.add_argument("--expires", type=_moment, metavar="WHEN", help="a date (2027-01-31) or a time from now (90d)")

    _add(actions, "list", "list all keys by prefix, with their credits", module="keys")
    revoke = _add(actions, "revoke", "revoke a key", module="keys")
    rotate = _add(actions, "rotate", "create a new key for the same account; the old one ends", module="keys")
    rotate.add_argument("--after", type=_duration, default=0.0, metavar="TIME", help="keep the old key valid (24h)")
    grant = _add(actions, "grant", "add credits to a key's account", module="keys")
    grant.add_argument("--credits", type=int, required=True, metavar="N", help="how many to add")
    grant.add_argument("--note", help="kept with the entry: an invoice number, a reason")
    for action in (revoke, rotate, grant):
        action.add_argument("key", metavar="KEY", help="the key, or its prefix as `stt keys list` shows it")
    for name, action in actions.choices.items():
        action.set_defaults(action=name)


def _add_mcp(commands: Subparsers) -> None:
    about = "offer your transcripts as tools to a program that speaks MCP, which starts this command"
    parser = _add(commands, "mcp", about, module="mcp.command")
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="FOLDER",
        help="whose files may be transcribed and written; may be given again (default: the working directory)",
    )
    _add_url(parser)


def _add_completion(commands: Subparsers) -> None:
    parser = _add(commands, "completion", "print a completion script for your shell")
    parser.add_argument("shell", choices=("bash", "zsh"), help="for which the script is")


def _add(commands: Subparsers, name: str, about: str, module: str = "") -> argparse.ArgumentParser:
    """module: of `gateway.cli`, whose `run(options, settings)` does it"""
    parser = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    parser.set_defaults(module=f"gateway.cli.{module or name}")
    return parser


def _add_recognition(parser: argparse.ArgumentParser) -> None:
    _add_language_and_model(parser)
    parser.add_argument(
        "--task", choices=TASKS, default="transcribe", help="translate: write English, whatever is spoken"
    )
    parser.add_argument(
        "--summary", choices=[*STYLES, *STYLE_ALIASES], metavar="STYLE", help=f"also summarize: {', '.join(STYLES)}"
    )
    parser.add_argument("--speakers", type=int, default=0, metavar="N", help="number of speakers (default: detect)")
    parser.add_argument(
        "--channels", choices=("mix", "separate"), default="mix", help="separate: each channel is a speaker"
    )
    parser.add_argument("--channel-names", default="", metavar="NAMES", help="speakers of the channels: Agent,Customer")
    parser.add_argument("--track", type=int, default=0, metavar="N", help="audio track to read, 1 is the first")
    parser.add_argument("--tracks", choices=("one", "mix"), default="one", help="mix: read all audio tracks at once")
    parser.add_argument("--keyterms", default="", metavar="TERMS", help="names that matter, with commas between them")
    parser.add_argument("--keyterms-text", metavar="FILE", help="a text whose names matter, such as an agenda")
    parser.add_argument("--no-diarize", action="store_true", help="do not tell speakers apart")


def _add_language_and_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", default="auto", help="code or English name (default: detect)")
    parser.add_argument(
        "--languages", default="", metavar="CODES", help="the only ones to detect: en,fr (default: any)"
    )
    parser.add_argument("--model", default="", help="model to use (default: the service's)")


def _add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", type=_url, help="address of the service (default: STT_CLIENT_URL, else the one that runs here)"
    )


def _url(text: str) -> str:
    from gateway.settings import web_address

    try:
        return web_address(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; accepted: 1, 20, 500")
    return int(text)


def _duration(text: str) -> float:
    """Seconds."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; accepted: 30m, 24h, 90d")
    return int(match[1]) * float(SECONDS[match[2]])


def _moment(text: str) -> float:
    """Seconds since 1970."""
    if re.fullmatch(r"\d+[smhd]", text):
        return time.time() + _duration(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no date; accepted: 2027-01-31, 2027-01-31T12:00, 90d"
        raise argparse.ArgumentTypeError(message) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
