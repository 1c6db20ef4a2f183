"""A recording whose text is sent while it is recognized, as server-sent events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from gateway.concurrency import run_together
from gateway.errors import ServiceError, failure
from gateway.http.connection import while_connected
from gateway.http.event_stream import PING_SECONDS, EventStream
from gateway.media.recording import Recording
from gateway.recognition.sections import SectionedRecognizer
from gateway.requests.jobs import (
    AdmittedRequest,
    EventWriter,
    RecordingJob,
    paid_recording,
    settle_delivered,
    with_warnings,
)
from gateway.requests.known_voices import JobRecognizer, recognizer_of
from speech.transcript import Segment, Transcript

COMMENT = ": working\n\n"

_log = logging.getLogger(__name__)


async def begin_stream(
    request: Request, admitted: AdmittedRequest, job: RecordingJob, writer: EventWriter, stack: AsyncExitStack
) -> Response:
    """The answer, begun with its first event: what fails before it has a status of its own.

    stack: what is open until the stream ends
    raises: ServiceError, ClientGone
    """

    async def begin() -> SectionStream:
        recording = await stack.enter_async_context(paid_recording(admitted, job))
        stream = SectionStream(admitted, job, writer, recording)
        stream.using = await recognizer_of(admitted, job)
        stack.push_async_callback(stream.aclose)  # before the recording is closed
        await stream.begin()
        return stream

    return EventStream(request, await while_connected(request, begin()), stack.pop_all())


class SectionStream:
    """The events of one recording."""

    def __init__(self, admitted: AdmittedRequest, job: RecordingJob, writer: EventWriter, recording: Recording) -> None:
        self.admitted, self.job, self.writer, self.recording = admitted, job, writer, recording
        self.admission = admitted.admission
        self.using = JobRecognizer(admitted.services.recognizer)
        self._events = self._recognized()
        self._first = ""
        self._told = 0.0  # seconds of the recording whose text was sent

    async def begin(self) -> None:
        """Until the first event. Raises what recognition raises."""
        self._first = await anext(self._events)

    async def texts(self) -> AsyncGenerator[str, None]:
        """Once events were sent, an error is one, too."""
        yield self._first
        try:
            async for event in self._events:
                yield event
        except ServiceError as error:
            yield self.writer.error(error)
        except Exception as error:
            _log.exception("a stream of events failed")
            yield self.writer.error(failure(error))

    def refusal(self, error: ServiceError) -> str:
        return self.writer.error(error)

    async def left(self) -> None:
        """What was sent was had."""
        if self._told:
            await settle_delivered(self.admitted, self._told)

    async def aclose(self) -> None:
        await self._events.aclose()

    async def _recognized(self) -> AsyncGenerator[str, None]:
        """Raises what recognition raises; the charge comes before the last event."""
        told: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        async with run_together(self._transcribe(told)) as (working,):
            while not (working.done() and told.empty()):
                upcoming = asyncio.ensure_future(told.get())
                await asyncio.wait((upcoming, working), timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if upcoming.done():
                    event, until = upcoming.result()
                    yield event
                    self._told = until
                else:
                    upcoming.cancel()
                    if not working.done():
                        yield COMMENT
            transcript = with_warnings(working.result(), (*self.job.warnings, *self.using.warnings))
        await settle_delivered(self.admitted, self.recording.duration)
        yield self.writer.done(transcript)

    async def _transcribe(self, told: asyncio.Queue[tuple[str, float]]) -> Transcript:
        async def on_segments(segments: Sequence[Segment], language: str) -> None:
            await told.put((self.writer.segments(segments, language), segments[-1].end))

        whole, progress = self.using.recognizer, self.admitted.progress
        sectioned = replace(whole, recognizer=SectionedRecognizer(whole.recognizer, on_segments))
        return await sectioned.transcribe(self.recording, self.job.recognition, progress.recognized, progress)
