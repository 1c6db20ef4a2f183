"""`stt keys`: make, list, revoke and rotate API keys, and give credits to their accounts.

A new key is the only thing on standard output, once; the store keeps a hash. All else goes to standard
error, so that `KEY=$(stt keys create …)` works.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

from gateway.accounts.from_settings import open_database
from gateway.accounts.registry import KeyRow, Registry, RegistryError
from gateway.accounts.tiers import load_tiers
from gateway.errors import Unavailable
from gateway.settings import Settings

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Action = Callable[[argparse.Namespace, Registry], Awaitable[None]]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("keys", help="make, list, revoke and rotate API keys; give credits")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    made = _add_action(actions, "create", create, "make a key and print it, once")
    made.add_argument("--tier", default="free", help="what the key may do (default: free)")
    made.add_argument("--name", default="", help="whose it is, for the list")
    made.add_argument("--credits", type=int, default=0, help="credits to begin with")
    made.add_argument("--expires", type=_moment, metavar="WHEN", help="a date (2027-01-31) or a time from now (90d)")

    _add_action(actions, "list", show, "all keys, by prefix, with their credits")
    _add_key_action(actions, "revoke", revoke, "end a key")
    rotated = _add_key_action(actions, "rotate", rotate, "a new key for the same account; the old one ends")
    rotated.add_argument("--after", type=_duration, default=0.0, metavar="TIME", help="let the old one live on (24h)")
    granted = _add_key_action(actions, "grant", grant, "add credits to a key's account")
    granted.add_argument("--credits", type=int, required=True)
    granted.add_argument("--note", help="kept with the entry: an invoice number, a reason")


def run(options: argparse.Namespace, settings: Settings) -> int:
    try:
        asyncio.run(_act(options.action, options, settings))
    except (RegistryError, ValueError) as problem:
        print(f"stt keys: {problem}", file=sys.stderr)
        return 1
    except Unavailable as problem:
        print(f"stt keys: the account store cannot be opened: {problem.__cause__}", file=sys.stderr)
        return 1
    return 0


async def create(options: argparse.Namespace, registry: Registry) -> None:
    key = await registry.create(options.tier, options.name, options.credits, options.expires)
    print(key.text)


async def show(_: argparse.Namespace, registry: Registry) -> None:
    print(_line("PREFIX", "TIER", "CREDITS", "CREATED", "STATE", "NAME"))
    for row in await registry.listed():
        credits = "-" if row.credits is None else str(row.credits)
        print(_line(row.prefix, row.tier, credits, _date(row.created_at), _state(row), row.name))


async def revoke(options: argparse.Namespace, registry: Registry) -> None:
    await registry.revoke(options.key)
    print("The key is revoked.", file=sys.stderr)


async def rotate(options: argparse.Namespace, registry: Registry) -> None:
    print((await registry.rotate(options.key, options.after)).text)


async def grant(options: argparse.Namespace, registry: Registry) -> None:
    balance = await registry.grant(options.key, options.credits, options.note)
    print(f"The account has {balance} credits.", file=sys.stderr)


async def _act(action: Action, options: argparse.Namespace, settings: Settings) -> None:
    database = open_database(settings, durable=True)
    try:
        await database.migrate()
        await action(options, Registry(database, load_tiers(settings.accounts.tiers)))
    finally:
        await database.close()


def _add_action(actions: Actions, name: str, action: Action, about: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=about, description=about)
    parser.set_defaults(run=run, action=action)
    return parser


def _add_key_action(actions: Actions, name: str, action: Action, about: str) -> argparse.ArgumentParser:
    parser = _add_action(actions, name, action, about)
    parser.add_argument("key", help="the key, or its prefix as `stt keys list` shows it")
    return parser


def _line(*cells: str) -> str:
    widths = (14, 10, 10, 11, 19)
    return "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)) + cells[-1]


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def _state(row: KeyRow) -> str:
    if row.revoked_at is not None and row.revoked_at <= time.time():
        return "revoked"
    ends = [end for end in (row.expires_at, row.revoked_at) if end is not None]
    if not ends:
        return "active"
    return "expired" if min(ends) <= time.time() else f"until {_date(min(ends))}"


def _duration(text: str) -> float:
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
