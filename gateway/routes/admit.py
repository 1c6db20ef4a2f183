"""The door of a route: who calls, and whether they may, before anything is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from starlette.requests import Request

from gateway.accounts import Admission, Caller, Presented
from gateway.errors import ServiceError
from gateway.http.uploads import drain
from gateway.services import services_of

Admit = Callable[[Caller], AbstractAsyncContextManager[Admission]]


@asynccontextmanager
async def enter(request: Request, admit: Admit) -> AsyncIterator[tuple[Caller, Admission]]:
    """Admitted until the block ends. A refusal waits for clients that send everything before they listen.

    raises: Unauthorized, PaymentRequired, TooManyRequests, Conflict
    """
    async with AsyncExitStack() as stack:
        try:
            caller = await services_of(request).accounts.identify(Presented.by(request))
            admission = await stack.enter_async_context(admit(caller))
        except ServiceError:
            await drain(request)
            raise
        yield caller, admission
