"""The checkers of a run of chaos: each wrong is found, and what is right is let pass."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from benchmarks.chaos.checkers import LedgerRow, StoreDump, check_answers, check_charges, check_ledger, check_recovery
from benchmarks.chaos.faults import FAULTS, SHARES, StruckFault, schedule
from benchmarks.chaos.history import ClientOperation, Payer
from benchmarks.chaos.sounds import MILLISECOND, Speaker, SpokenSound

PAYER = Payer("rich-0", "stt_key")
SOUND = Speaker(random.Random(1)).speak(5)


def answered(kind: str = "file", text: str = SOUND.text, sound: SpokenSound = SOUND) -> ClientOperation:
    body = text if kind == "live" else json.dumps({"text": text})
    return ClientOperation(1, kind, PAYER, sound, outcome="ok", answers=[body.encode()], statuses=[200])  # type: ignore[arg-type]


def store(*settled: int, kind: str = "settle") -> StoreDump:
    """settled: milliseconds that were charged, a credit each"""
    rows = [LedgerRow("subject", "credits", 1, "grant", 100, 100, None, None)]
    for number, milliseconds in enumerate(settled, 2):
        rows.append(LedgerRow("subject", "credits", number, kind, -1, rows[-1].balance - 1, f"a{number}", milliseconds))
    return StoreDump(rows, 0, 0, {"rich-0": "subject"})


@pytest.mark.parametrize(
    ("operation", "charges", "right"),
    [
        (answered(), 1, True),
        (answered(), 0, False),  # answered and never charged
        (answered(), 2, False),  # charged twice
        (replace(answered(), lost=1), 2, True),  # a request whose answer was lost may have been charged
        (replace(answered(), answers=[], outcome="refused"), 1, False),
        (replace(answered(), answers=[], outcome="unknown", lost=1), 1, True),
        (replace(answered("keyed"), lost=3), 2, False),  # one Idempotency-Key, one charge
        (replace(answered("twins"), answers=answered().answers * 2), 1, True),
    ],
)
def test_each_answer_is_charged_as_often_as_it_may_be(operation: ClientOperation, charges: int, right: bool) -> None:
    problems = check_charges([operation], store(*[SOUND.milliseconds] * charges))

    assert (problems == []) == right


def test_an_answer_is_right_to_the_letter() -> None:
    assert check_answers([answered()]) == []
    assert len(check_answers([answered(text=SOUND.text[:-1])])) == 1
    assert len(check_answers([answered("live", f"{SOUND.text} {SOUND.text.split()[-1]}")])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "wrong"},
        {"statuses": [500, 200]},
        {"kind": "keyed", "answers": [b'{"text": "a"}', b'{"text": "b"}']},
    ],
)
def test_what_no_client_should_ever_see_is_found(change: dict[str, object]) -> None:
    assert check_answers([replace(answered(), **change)]) != []  # type: ignore[arg-type]


def test_a_session_costs_its_minutes_and_at_most_one_more_for_each_connection() -> None:
    talk = replace(answered("live"), sent=[61.0, 10.0], heard=[61.0, 0.0])

    problems = [check_charges([talk], store(*[60_000] * minutes)) for minutes in range(8)]

    assert [minutes for minutes, found in enumerate(problems) if not found] == [2, 3, 4, 5]


def test_what_a_part_of_a_live_session_costs_is_no_charge_of_a_file_of_its_length() -> None:
    books = store(SOUND.milliseconds, SOUND.milliseconds)
    talk = replace(books.ledger[2], subject="talker")
    shared = replace(books, ledger=[*books.ledger[:2], talk], subjects=books.subjects | {"live-0": "talker"})

    assert check_charges([answered()], shared) == []
    assert check_charges([answered()], books) != []


def test_the_ledger_is_a_chain_that_never_falls_below_nothing() -> None:
    whole = store(1000, 2000)
    rows = list(whole.ledger)

    assert check_ledger(whole) == []
    assert check_ledger(replace(whole, ledger=[rows[0], rows[2]])) != []
    assert check_ledger(replace(whole, ledger=[replace(rows[0], amount=-5, balance=-5)])) != []
    assert check_ledger(replace(whole, ledger=[rows[0], rows[1], replace(rows[2], admission="a2")])) != []


def test_what_does_not_come_back_in_time_is_told() -> None:
    assert check_recovery([StruckFault("gateway killed", 1.0, 3.0)]) == []
    assert check_recovery([StruckFault("gateway killed", 1.0, float("inf"))]) != []
    assert check_recovery([StruckFault("gateway killed", 1.0, 20.0)]) != []
    assert check_recovery([StruckFault("gateway killed", 1.0, 20.0)], crowding=2.0) == []


def test_a_long_run_strikes_with_every_fault_in_its_share() -> None:
    names = schedule(200, random.Random(1))

    assert set(names) == set(FAULTS)
    assert sum(name.startswith("store") for name in names) == 200 * SHARES["store"] // 100


def test_every_sound_has_a_length_of_its_own_and_says_what_it_is_to_say() -> None:
    speaker = Speaker(random.Random(3))
    sounds = [speaker.speak(2) for _ in range(200)]

    assert len({sound.milliseconds for sound in sounds}) == 200
    assert all(len(sound.samples) == sound.milliseconds * MILLISECOND for sound in sounds)
    assert all(sound.text for sound in sounds)
