"""Charges that are due and that the store could not take while their leases lasted.

A live session's words, or the events of a stream, are with the client when the store is asked for their charge.
Where it is unavailable until the lease has ended, the charge is made when the store is back, once: the ledger
says what the lapse of the lease has taken of it.
"""

from __future__ import annotations

import logging

from gateway.accounts.admission import Admission
from gateway.errors import ServiceError, Unavailable

log = logging.getLogger(__name__)


class OutstandingCharges:
    """Of one gateway. There are no more than it had work when the store went: without it none begins."""

    def __init__(self) -> None:
        self._admissions: dict[str, Admission] = {}  # by lease

    def __len__(self) -> int:
        return len(self._admissions)

    def add(self, admission: Admission) -> None:
        self._admissions[admission.id] = admission

    async def settle(self) -> None:
        """Try each one once. raises: Unavailable, at the first that the store does not take"""
        for admission in list(self._admissions.values()):
            try:
                await admission.pay()
            except Unavailable:
                raise
            except Exception:
                log.exception("the charge of admission %s is outstanding", admission.id)
            else:
                del self._admissions[admission.id]

    async def close(self) -> None:
        """A last try; what is still due is lost with this process, and told."""
        try:
            await self.settle()
        except ServiceError:
            for admission in self._admissions.values():
                log.error("the store is unavailable; never charged: %s", admission.describe_unpaid())
