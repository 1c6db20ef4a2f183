"""A live session for whatever protocol its audio comes by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.accounts import Caller, LiveSession
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.whisper import TritonWhisper
from gateway.services import Services
from gateway.streaming.messages import Message
from gateway.streaming.policy import StreamPolicy
from gateway.streaming.session import StreamSession
from gateway.streaming.utterances import NoObserver, UtteranceObserver
from speech.audio import Pcm
from speech.tensors import Priority
from speech.transcript import WindowResult


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """How a client wants its speech heard."""

    model: str = ""  # as the client named it
    language: str | None = None  # ISO 639-1; None: detect
    prompt: str = ""
    policy: StreamPolicy = field(default_factory=StreamPolicy)


@asynccontextmanager
async def admit_live_session(services: Services, caller: Caller) -> AsyncIterator[LiveSession]:
    """By the machine first, then by the caller's account. raises: Unavailable, TooManyRequests, PaymentRequired"""
    with services.capacity.live_session(caller.tier.share):
        async with services.accounts.admit_session(caller) as account:
            yield account


def open_session(
    services: Services,
    caller: Caller,
    options: LiveOptions,
    emit: Callable[[Message], Awaitable[None]],
    observer: UtteranceObserver | None = None,
) -> StreamSession:
    """raises: BadParameter, ModelNotFound, Unavailable"""
    model = services.models.resolve(options.model)
    if options.language is not None:
        model.check_language(options.language)
    request = RecognitionRequest(
        model=model.id,
        prompt=options.prompt,
        priority=Priority.LIVE,
        caller=caller.subject,
    )
    session = StreamSession(
        recognize=partial(recognize, services.whisper, request),
        detect=services.activity.stream().feed,
        emit=emit,
        language=options.language,
        policy=options.policy,
    )
    session.observer = observer or NoObserver()
    return session


async def recognize(
    whisper: TritonWhisper, request: RecognitionRequest, pcm: Pcm, language: str | None
) -> WindowResult:
    """A window of a live session. language: ISO 639-1; None: detect"""
    return await whisper.recognize(pcm, replace(request, language=language))
