"""Answers of GET /, /health, /v1/models, /v1/languages and /v1/progress, and the body of every error."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.api.described import Count, Probability, described

Speed = Literal["very_fast", "fast", "standard"]
RequestStage = Literal["receiving", "decoding", "recognizing", "diarizing"]


@described
class ErrorBody(TypedDict):
    """Every error has this one shape."""

    error: Annotated[str, Field(examples=["`speakers` is 'two'; accepted are whole numbers from 0 (find out) to 32."])]
    """What was wrong and what is accepted, for a person to read."""


@described
class ServiceIndex(TypedDict):
    """What is at this address."""

    service: Literal["stt"]
    """The service's name."""
    docs: str | None
    """Path of the API reference; null where it is turned off."""
    endpoints: list[str]
    """Path of every endpoint."""


@described
class HealthReport(TypedDict):
    """Whether every deployed model answers, and on which GPU."""

    status: Literal["ok", "unavailable"]
    """`unavailable` comes with status 503."""
    state: Literal["starting", "ready", "busy", "degraded", "draining"]
    """`starting`: a model has not answered yet since the start. `busy`: a bound of the machine is reached, and more is
    refused. `degraded`: a Triton does not answer for a model, or the account store has not for a lease's time; work
    goes on as long as `status` is `ok`. `draining`: the service stops."""
    files: Count
    """Recordings in work on this gateway, uploads included."""
    live_sessions: Count
    """Live sessions on this gateway."""
    gpu_available: bool
    """Whether the models run on a GPU."""
    gpu_name: Annotated[str | None, Field(examples=["NVIDIA A100-SXM4-80GB"])]
    """The GPU's name, where it is known."""
    gpu_memory_mb: Annotated[int | None, Field(ge=0)]
    """Its memory, in MiB."""
    unconfined: NotRequired[list[str]]
    """What this machine lacks to confine the decoder: `landlock`, `seccomp`; only where it lacks one."""
    error: NotRequired[str]
    """What is wrong; only with 503."""


@described
class ModelCard(TypedDict):
    """A Whisper model that can be asked for."""

    id: Annotated[str, Field(examples=["large-v3-turbo"])]
    """Its name in requests."""
    name: Annotated[str, Field(examples=["Whisper Large V3 Turbo"])]
    """Its name for people."""
    languages: Annotated[int, Field(ge=0, examples=[99])]
    """How many languages it knows."""
    speed: Speed
    """How fast it is among the others."""
    description: str
    """What it is good for, and which model answers where it is not deployed here."""
    deployed: bool
    """Whether it runs here; where not, the stand-in answers, or nobody."""


@described
class OpenAiModel(TypedDict):
    """A model as OpenAI's clients read it."""

    id: Annotated[str, Field(examples=["whisper-1"])]
    """Its name in requests."""
    object: Literal["model"]
    """Kind of the object."""
    created: Count
    """When Whisper's weights of this name were published, in seconds since 1970; 0 of a name that only stands for
    another."""
    owned_by: Annotated[str, Field(examples=["stt"])]
    """Who serves it."""
    shutdown_date: str | None
    """null: names are kept."""


@described
class ModelList(TypedDict):
    """The published models, and whatever else is deployed here."""

    models: list[ModelCard]
    """One entry a model."""
    object: Literal["list"]
    """Kind of the object, for OpenAI's clients."""
    data: list[OpenAiModel]
    """The same models for OpenAI's clients, and OpenAI's names, which ask for the default model."""


@described
class LanguageEntry(TypedDict):
    """A language that Whisper knows."""

    code: Annotated[str, Field(examples=["de"])]
    """ISO 639-1, or Whisper's own code where there is none."""
    name: Annotated[str, Field(examples=["german"])]
    """English name in small letters."""


@described
class LanguageList(TypedDict):
    """All languages, by code."""

    languages: list[LanguageEntry]
    """One entry a language."""


@described
class RequestProgress(TypedDict):
    """How far a request in hand is."""

    stage: RequestStage
    """`receiving` the upload, `decoding` its sound, `recognizing` its speech, `diarizing`: waiting for the speakers."""
    done: Probability
    """Share of the stage that is done, 0 to 1; 0 where that is not known: an upload of unannounced length."""
