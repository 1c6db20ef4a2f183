"""Authentication and admission of a request, before anything of its body is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from starlette.requests import Request

from gateway.accounts import Admission, Caller, Credentials
from gateway.errors import ServiceError
from gateway.http.uploads import drain
from gateway.services import services_of

OpenAdmission = Callable[[Caller], AbstractAsyncContextManager[Admission]]


@asynccontextmanager
async def admit(
    request: Request, open_admission: OpenAdmission, credentials: Credentials | None = None
) -> AsyncIterator[tuple[Caller, Admission]]:
    """Admitted until the block ends. A refusal waits for clients that send everything before they listen.

    credentials: the request's own, if none are given
    raises: Unauthorized, PaymentRequired, TooManyRequests, Conflict
    """
    async with AsyncExitStack() as stack:
        try:
            caller = await services_of(request).accounts.identify(credentials or Credentials.of(request))
            admission = await stack.enter_async_context(open_admission(caller))
        except ServiceError:
            await drain(request)
            raise
        yield caller, admission
