"""A database that is away is told in a few lines."""

from __future__ import annotations

import logging

from gateway.jobs.engine_log import RepeatedEntries


def entry(message: str, problem: BaseException | None = None) -> logging.LogRecord:
    told = (type(problem), problem, None) if problem else None
    return logging.LogRecord("dbos", logging.WARNING, "file.py", 1, message, None, told)


def test_an_hour_without_a_database_is_told_once_a_minute_and_in_lines() -> None:
    now = 0.0
    entries = RepeatedEntries(lambda: now)
    told = []
    for second in range(3600):
        now = float(second)
        record = entry("Database connection failed: connection refused\nIs the server running?", OSError("refused"))
        if entries.filter(record):
            told.append(record)

    assert 60 <= len(told) <= 66
    assert told[0].getMessage() == "Database connection failed: connection refused: OSError"
    assert all(record.exc_info is None for record in told)


def test_other_entries_are_told_beside_it() -> None:
    entries = RepeatedEntries(lambda: 0.0)

    told = [entries.filter(entry(message)) for message in ("one: a", "one: b", "two: a")]

    assert told == [True, False, True]


def test_what_all_threads_tell_of_a_database_that_is_away_is_one_kind() -> None:
    entries = RepeatedEntries(lambda: 0.0)
    schedules = "Exception polling schedules: Traceback (most recent call last):\n  …\npsycopg.OperationalError: no"

    told = [entries.filter(entry(message)) for message in ("queue: (psycopg.OperationalError) no", schedules)]

    assert told == [True, False]


def test_one_that_comes_again_much_later_is_told_at_once() -> None:
    now = 0.0
    entries = RepeatedEntries(lambda: now)
    entries.filter(entry("one: a"))
    now = 1000.0

    first, second = entries.filter(entry("one: b")), entries.filter(entry("one: c"))
    now = 1003.0

    assert (first, second) == (True, False)
    assert entries.filter(entry("one: d"))
