"""`stt keys`: create, list, revoke and rotate API keys, and add credits to their accounts.

A new key is the only thing on standard output, once; the store keeps a hash. All else goes to standard
error, so that `KEY=$(stt keys create …)` works.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from pydantic import SecretStr

from gateway.accounts.from_settings import open_database, store_file
from gateway.accounts.registry import KeyRow, Registry, RegistryError
from gateway.accounts.tiers import load_tiers
from gateway.cli.errors import CommandFailed
from gateway.cli.standard_output import write_output
from gateway.errors import Unavailable
from gateway.runtime_file import find_services
from gateway.settings import Settings

Action = Callable[[argparse.Namespace, Registry], Awaitable[None]]


def run(options: argparse.Namespace, settings: Settings) -> int:
    settings = with_store_of_service(settings)
    try:
        asyncio.run(_act(ACTIONS[options.action], options, settings))
    except (RegistryError, ValueError) as problem:
        raise CommandFailed(f"keys: {problem}") from problem
    except Unavailable as problem:
        raise CommandFailed(f"keys: the account store cannot be opened: {problem.__cause__}") from problem
    return 0


def with_store_of_service(settings: Settings) -> Settings:
    """Where no setting names a store, it is that of the service which runs here. Raises CommandFailed."""
    if "database" in settings.accounts.model_fields_set or "data" in settings.server.model_fields_set:
        return settings
    running = find_services(settings.server.data)
    if not running:
        return settings
    if not running[0].store:
        raise CommandFailed(
            f"keys: the accounts of the service at {running[0].url} are in a database server; "
            "set STT_ACCOUNTS_DATABASE as it is set for the service"
        )
    accounts = settings.accounts.model_copy(update={"database": SecretStr(f"sqlite:///{running[0].store}")})
    return settings.model_copy(update={"accounts": accounts})


async def create(options: argparse.Namespace, registry: Registry) -> None:
    key = await registry.create(options.tier, options.name, options.credits, options.expires)
    write_output(f"{key.text}\n")


async def show(_: argparse.Namespace, registry: Registry) -> None:
    print(_line("PREFIX", "TIER", "CREDITS", "CREATED", "STATE", "NAME"))
    for row in await registry.listed():
        credits = "-" if row.credits is None else str(row.credits)
        print(_line(row.prefix, row.tier, credits, _date(row.created_at), _state(row), row.name))


async def revoke(options: argparse.Namespace, registry: Registry) -> None:
    await registry.revoke(options.key)
    print("The key is revoked.", file=sys.stderr)


async def rotate(options: argparse.Namespace, registry: Registry) -> None:
    write_output(f"{(await registry.rotate(options.key, options.after)).text}\n")


async def grant(options: argparse.Namespace, registry: Registry) -> None:
    balance = await registry.grant(options.key, options.credits, options.note)
    print(f"The account has {balance} credits.", file=sys.stderr)


ACTIONS: dict[str, Action] = {"create": create, "list": show, "revoke": revoke, "rotate": rotate, "grant": grant}


async def _act(action: Action, options: argparse.Namespace, settings: Settings) -> None:
    store = store_file(settings)
    is_new = store is not None and not store.exists()
    database = open_database(settings, durable=True)
    try:
        await database.migrate()
        if is_new:
            print(
                f"stt keys: made a new account store, {store}; a service with the same settings uses it",
                file=sys.stderr,
            )
        await action(options, Registry(database, load_tiers(settings.accounts.tiers)))
    finally:
        await database.close()


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
