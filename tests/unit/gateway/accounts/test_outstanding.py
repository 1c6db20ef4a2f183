import logging
from typing import cast

import pytest

from gateway.accounts.admission import Admission
from gateway.accounts.outstanding import OutstandingCharges
from gateway.errors import Unavailable


class UnpaidAdmission:
    def __init__(self, name: str, *failures: Exception) -> None:
        self.id = name
        self.failures = list(failures)  # of the next tries
        self.tries = 0

    async def pay(self) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)

    def describe_unpaid(self) -> str:
        return f"admission {self.id}, 50 s of audio"


def outstanding(*admissions: UnpaidAdmission) -> OutstandingCharges:
    charges = OutstandingCharges()
    for admission in admissions:
        charges.add(cast(Admission, admission))
    return charges


async def test_what_is_never_charged_is_told_when_the_gateway_ends(caplog: pytest.LogCaptureFixture) -> None:
    charges = outstanding(UnpaidAdmission("one"), UnpaidAdmission("other", Unavailable("away", 5)))

    with caplog.at_level(logging.ERROR):
        await charges.close()

    assert [record.getMessage() for record in caplog.records] == [
        "the store is unavailable; never charged: admission other, 50 s of audio"
    ]


async def test_one_that_fails_for_another_reason_keeps_no_other_from_being_charged() -> None:
    broken, whole = UnpaidAdmission("broken", ValueError()), UnpaidAdmission("whole")
    charges = outstanding(broken, whole)

    await charges.settle()
    assert (whole.tries, len(charges)) == (1, 1)

    await charges.settle()
    assert (whole.tries, broken.tries, len(charges)) == (1, 2, 0)


async def test_a_store_that_is_unavailable_is_asked_once_a_turn() -> None:
    first, second = UnpaidAdmission("first", Unavailable("away", 5)), UnpaidAdmission("second")
    charges = outstanding(first, second)

    with pytest.raises(Unavailable):
        await charges.settle()

    assert (first.tries, second.tries, len(charges)) == (1, 0, 2)
