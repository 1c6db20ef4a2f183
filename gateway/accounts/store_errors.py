"""Which failures of a database are its being unavailable, and which are faults of this program.

PostgreSQL tells by SQLSTATE, whose first two characters are a class (PostgreSQL's manual, appendix A); SQLite
by the name of its result code.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

UNAVAILABLE_CLASSES = {
    "08": "connection",
    "40": "conflict",  # serialization failure, deadlock: the transaction was rolled back
    "53": "resources",  # disk full, too many connections
    "55": "locked",
    "57": "intervention",  # starting up, shutting down, statement cancelled
    "58": "system",  # input or output error
}
READ_ONLY = "25006"  # a standby, or a server that is being switched over
UNAVAILABLE_IN_SQLITE = {
    "SQLITE_BUSY": "locked",
    "SQLITE_LOCKED": "locked",
    "SQLITE_PROTOCOL": "locked",
    "SQLITE_FULL": "resources",
    "SQLITE_NOMEM": "resources",
    "SQLITE_IOERR": "system",
    "SQLITE_CANTOPEN": "system",
    "SQLITE_READONLY": "read-only",
    "SQLITE_INTERRUPT": "intervention",
}
UNAVAILABLE_BEFORE = {PoolTimeout: "no connection free", TimeoutError: "no answer", OSError: "connection"}
KINDS = sorted(
    {"read-only", *UNAVAILABLE_CLASSES.values(), *UNAVAILABLE_IN_SQLITE.values(), *UNAVAILABLE_BEFORE.values()}
)


def unavailability(error: BaseException) -> str | None:
    """What keeps the store from doing its work, in a word; None where it works and the statement is wrong."""
    if isinstance(error, DBAPIError):
        return None if isinstance(error, IntegrityError) else _of_driver(error)
    return next((word for kind, word in UNAVAILABLE_BEFORE.items() if isinstance(error, kind)), None)


def _of_driver(error: DBAPIError) -> str | None:
    if error.connection_invalidated:
        return "connection"
    if state := getattr(error.orig, "sqlstate", None):
        return "read-only" if state == READ_ONLY else UNAVAILABLE_CLASSES.get(state[:2])
    if name := getattr(error.orig, "sqlite_errorname", None):
        return next((word for code, word in UNAVAILABLE_IN_SQLITE.items() if name.startswith(code)), None)
    return "connection" if isinstance(error, OperationalError | InterfaceError) else None
