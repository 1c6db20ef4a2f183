"""POST /v1/summarize: a transcript goes in, its summary comes out, whole or as it is written."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.accounts import Admission
from gateway.api.summary import CompleteEvent, ErrorEvent, StageEvent, SummaryAnswer, SummaryPoint, TokenEvent
from gateway.draining import Work
from gateway.errors import InternalError, ServiceError, Unavailable
from gateway.http.connection import while_connected
from gateway.http.event_stream import EVENT_STREAM, PING_SECONDS, EventStream
from gateway.http.json_body import read_body
from gateway.http.summary_parameters import SummaryOptions, read_request
from gateway.requests.admit import admit
from gateway.services import services_of
from gateway.summaries.chat_protocol import SummarizerFailed, SummarizerUnavailable
from gateway.summaries.evidence import Point
from gateway.summaries.summarizer import Summarizer, Summary, SummaryDelta, SummaryEvent, SummaryStage

MAX_BODY = 8 * 1024**2  # bytes: about 200 hours of speech
FAILED_RETRY = 30.0  # seconds

_log = logging.getLogger(__name__)


async def summarize(request: Request) -> Response:
    services = services_of(request)
    async with AsyncExitStack() as stack:
        stack.enter_context(services.draining.track(Work.SUMMARY))
        _, admission = await stack.enter_async_context(admit(request, services.accounts.admit_summary))
        wanted = read_request(await read_body(request, MAX_BODY, services.settings.media.upload_idle_seconds, "text"))
        progress = _translated(services.summarizer.summarize(wanted.content, wanted.style, wanted.language))
        if EVENT_STREAM not in request.headers.get("accept", ""):
            answer = await while_connected(request, _whole(progress, wanted))
            await admission.settle(0)
            return JSONResponse(answer, headers=admission.limit.headers())
        await while_connected(request, _available(services.summarizer))
        return EventStream(request, SummaryEvents(progress, wanted, admission), stack.pop_all())


class SummaryEvents:
    """What is sent of one summary, and its charge: a client that read a part of it and leaves has had it."""

    def __init__(
        self, progress: AsyncGenerator[SummaryEvent, None], wanted: SummaryOptions, admission: Admission
    ) -> None:
        self.admission = admission
        self._progress = progress
        self._wanted = wanted
        self._delivered = False  # whether a part of the summary went out

    async def texts(self) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(_with_pauses(self._progress)) as events:
                async for event in events:
                    if isinstance(event, Summary):
                        await self.admission.settle_delivered(0)
                    self._delivered = self._delivered or isinstance(event, SummaryDelta)
                    yield ": waiting\n\n" if event is None else _event(event, self._wanted)
        except ServiceError as error:
            yield _error(error)
        except Exception:
            _log.exception("summary failed")
            yield _error(InternalError())

    def refusal(self, error: ServiceError) -> str:
        return _error(error)

    async def left(self) -> None:
        """The client is gone."""
        if self._delivered:
            await self.admission.settle_delivered(0)


async def _available(summarizer: Summarizer) -> None:
    """While no event was sent, an error can still have a status of its own."""
    try:
        await summarizer.server.chat().served()
    except (SummarizerUnavailable, SummarizerFailed) as error:
        raise _service_error(error) from error


async def _whole(progress: AsyncGenerator[SummaryEvent, None], wanted: SummaryOptions) -> SummaryAnswer:
    async with aclosing(progress):
        async for event in progress:
            if isinstance(event, Summary):
                return _answer(event, wanted)
    raise InternalError


def _event(event: SummaryEvent, wanted: SummaryOptions) -> str:
    if isinstance(event, SummaryStage):
        return _sent({"type": "stage", "stage": event.name, "done": event.done, "total": event.total})
    if isinstance(event, SummaryDelta):
        return _sent({"type": "token", "token": event.text})
    return _sent({"type": "summary", **_answer(event, wanted)})


def _error(error: ServiceError) -> str:
    return _sent({"type": "error", "error": error.message, "status": error.status})


def _answer(summary: Summary, wanted: SummaryOptions) -> SummaryAnswer:
    # Clients of the contract read `summary`, and some of them `text`.
    answer: SummaryAnswer = {
        "summary": summary.text, "text": summary.text, "style": wanted.asked, "model": summary.model,
    }  # fmt: skip
    if wanted.evidence:
        answer["points"] = [_described(point) for point in summary.points]
    return answer


def _described(point: Point) -> SummaryPoint:
    found: SummaryPoint = {"text": point.text, "sentences": [*point.sentences], "quotes": [*point.quotes]}
    if point.speaker:
        found["speaker"] = point.speaker
    if point.start is not None:
        found["start"] = point.start
    if point.end is not None:
        found["end"] = point.end
    return found


def _sent(event: StageEvent | TokenEvent | CompleteEvent | ErrorEvent) -> str:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"


async def _with_pauses(progress: AsyncGenerator[SummaryEvent, None]) -> AsyncGenerator[SummaryEvent | None, None]:
    """None whenever nothing happened for PING_SECONDS."""
    async with aclosing(progress):
        while True:
            upcoming = asyncio.ensure_future(anext(progress, None))
            try:
                while not (await asyncio.wait((upcoming,), timeout=PING_SECONDS))[0]:
                    yield None
                event = upcoming.result()
            finally:
                if not upcoming.done():
                    upcoming.cancel()
                    await asyncio.gather(upcoming, return_exceptions=True)
            if event is None:
                return
            yield event


async def _translated(progress: AsyncGenerator[SummaryEvent, None]) -> AsyncGenerator[SummaryEvent, None]:
    try:
        async with aclosing(progress):
            async for event in progress:
                yield event
    except (SummarizerUnavailable, SummarizerFailed) as error:
        raise _service_error(error) from error


def _service_error(error: SummarizerUnavailable | SummarizerFailed) -> ServiceError:
    _log.warning("no summary: %s", error)
    return Unavailable(str(error), error.retry_after if isinstance(error, SummarizerUnavailable) else FAILED_RETRY)
