"""A live session for whatever protocol its audio comes by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.accounts import Caller, LiveSession
from gateway.models import Model
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.whisper import TritonWhisper
from gateway.services import Services
from gateway.streaming.decoding import Recognize
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
    languages: tuple[str, ...] = ()  # the only ones that may be detected; (): any
    prompt: str = ""
    keyterms: tuple[str, ...] = ()
    policy: StreamPolicy = field(default_factory=StreamPolicy)


@asynccontextmanager
async def admit_live_session(services: Services, caller: Caller) -> AsyncIterator[LiveSession]:
    """By the machine first, then by the caller's account. raises: Unavailable, TooManyRequests, PaymentRequired"""
    with services.capacity.live_session(caller.tier.share):
        async with services.accounts.admit_session(caller) as account:
            yield account


def resolve_model(services: Services, options: LiveOptions) -> Model:
    """The model that hears the session. Raises BadParameter for a language that it lacks, ModelNotFound, Unavailable"""
    model = services.models.resolve(options.model)
    for language in filter(None, (options.language, *options.languages)):
        model.check_language(language)
    return model


def open_session(
    services: Services,
    caller: Caller,
    options: LiveOptions,
    emit: Callable[[Message], Awaitable[None]],
    observer: UtteranceObserver | None = None,
) -> StreamSession:
    """raises: BadParameter, ModelNotFound, Unavailable"""
    session = StreamSession(
        recognize=recognition_of(services, caller, options),
        detect=services.activity.stream().feed,
        emit=emit,
        language=options.language,
        policy=options.policy,
    )
    session.observer = observer or NoObserver()
    session.detect_in(services.activity_threads)
    session.bound_backlog(services.capacity.backlog_seconds)
    session.share_machine(lambda: services.capacity.used["live_sessions"])
    return session


def reconfigure_session(services: Services, caller: Caller, session: StreamSession, options: LiveOptions) -> None:
    """For what is decoded from now on. raises: BadParameter"""
    session.reconfigure(recognition_of(services, caller, options), options.language)


def recognition_of(services: Services, caller: Caller, options: LiveOptions) -> Recognize:
    """raises: BadParameter, ModelNotFound, Unavailable"""
    request = RecognitionRequest(
        model=resolve_model(services, options).id,
        languages=options.languages,
        prompt=options.prompt,
        keyterms=options.keyterms,
        priority=Priority.LIVE,
        caller=caller.subject,
    )
    return partial(recognize, services.whisper, request)


async def recognize(
    whisper: TritonWhisper, request: RecognitionRequest, pcm: Pcm, language: str | None, draft: str
) -> WindowResult:
    """A window of a live session. language: ISO 639-1; None: detect; draft: what it is likely to say"""
    return await whisper.recognize(pcm, replace(request, language=language, draft=draft))
