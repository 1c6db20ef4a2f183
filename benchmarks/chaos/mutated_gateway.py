"""`stt serve` with one fault built in: what a suite of chaos that proves something has to find. Run as a script.

The parts are named by text, since the benchmarks see the service as its users do.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch


async def nothing(*_: Any, **__: Any) -> None:
    return None


def charged_twice(stack: contextlib.ExitStack) -> None:
    """A settle that is made under a new admission each time: no index can tell that it was made before."""
    transactions = importlib.import_module("gateway.accounts.transactions").AccountTransactions
    settle = transactions.settle

    async def twice(self: Any, terms: Any, grant: Any, charge: Any) -> Any:
        await settle(self, terms, grant, charge)
        replace = importlib.import_module("dataclasses").replace
        other = replace(grant, lease=grant.lease[::-1], record=None)
        return await settle(self, replace(terms, key=None), other, charge)

    stack.enter_context(patch.object(transactions, "settle", twice))


def never_renewed(stack: contextlib.ExitStack) -> None:
    stack.enter_context(patch("gateway.accounts.keeper.LeaseKeeper.renew", nothing))


def never_released(stack: contextlib.ExitStack) -> None:
    """Neither at the end of work that failed, nor by those who sweep after others."""
    stack.enter_context(patch("gateway.accounts.transactions.AccountTransactions.release", nothing))
    stack.enter_context(patch("gateway.accounts.transactions.AccountTransactions.sweep", nothing))


def written_short(stack: contextlib.ExitStack) -> None:
    """A third of each upload's last piece is lost."""
    uploads = importlib.import_module("gateway.http.uploads")
    write = uploads._write_all

    def short(file: Any, content: Any) -> None:
        write(file, content[: len(content) - len(content) // 3])

    stack.enter_context(patch.object(uploads, "_write_all", short))


def settled_early(stack: contextlib.ExitStack) -> None:
    """Charged when the recording is decoded, before anything came of it."""
    recordings = importlib.import_module("gateway.requests.recordings")
    work = recordings.transcribe_whole

    async def early(admitted: Any, job: Any, recording: Any) -> Any:
        await admitted.admission.settle(recording.duration)
        return await work(admitted, job, recording)

    stack.enter_context(patch.object(recordings, "transcribe_whole", early))


MUTANTS: dict[str, Callable[[contextlib.ExitStack], None]] = {
    "charged-twice": charged_twice,
    "never-renewed": never_renewed,
    "never-released": never_released,
    "written-short": written_short,
    "settled-early": settled_early,
}


def main(name: str) -> int:
    with contextlib.ExitStack() as stack:
        MUTANTS[name](stack)
        sys.argv = ["stt", "serve"]
        return int(importlib.import_module("gateway.cli.main").main() or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
