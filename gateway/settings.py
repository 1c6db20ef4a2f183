"""Every setting of the service, and the only place that reads environment variables.

A setting is `STT_<GROUP>_<NAME>`: `STT_SERVER_PORT=9000`, `STT_TRITON_URLS=gpu1:8001,gpu2:8001`.
Lists are separated by commas.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ServerSettings(Group):
    host: str = "127.0.0.1"
    """address to listen on"""
    port: int = Field(default=8080, ge=0, le=65535)
    """port to listen on; 0 takes a free one"""
    data: Path = Path("var")
    """folder for everything that the service writes"""
    shutdown_seconds: float = Field(default=30.0, gt=0)
    """how long work in hand may take to finish at shutdown"""
    cors_origins: CommaList = ("*",)
    """web pages that may call the API from a browser"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """least serious log entry that is written"""


class MediaSettings(Group):
    max_upload_bytes: int = Field(default=2 * 1024**3, gt=0)
    """largest file that is accepted, whoever sends it"""
    upload_idle_seconds: float = Field(default=60.0, gt=0)
    """how long an upload may stand still before it is given up"""


class TritonSettings(Group):
    urls: CommaList = ()
    """gRPC addresses of Triton servers (host:port); none: one is started here"""
    repository: Path = Path("model_repository")
    """models of the Triton that is started here"""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """longest wait for one window, waiting behind others included"""
    patience_seconds: float = Field(default=20.0, ge=0)
    """how long a window is tried again while no Triton can take it"""
    probe_seconds: float = Field(default=5.0, gt=0)
    """time between two looks at each Triton's health"""


class RecognitionSettings(Group):
    models: CommaList = ("base",)
    """Whisper models that are deployed"""
    stand_in: str = "base"
    """deployed model that answers for known ones that are not deployed; empty: answer 503 for those"""


class StreamSettings(Group):
    config_seconds: float = Field(default=10.0, gt=0)
    """how long a live session may take to send its config"""
    idle_seconds: float = Field(default=60.0, gt=0)
    """how long a live session may stand still before it is ended"""
    longest_seconds: float = Field(default=4 * 3600.0, gt=0)
    """longest live session, in seconds of audio"""
    patience_seconds: float = Field(default=120.0, ge=0)
    """how long a live session waits for a Triton that is away"""
    ping_seconds: float = Field(default=20.0, gt=0)
    """time between two keep-alive pings"""
    max_frame_bytes: int = Field(default=16 * 1024**2, gt=0)
    """largest frame that is accepted"""


class ClientSettings(Group):
    url: str = "http://127.0.0.1:8080"
    """service that the commands talk to"""
    key: str = Field(default="", repr=False)
    """API key that the commands send"""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="STT_", env_nested_delimiter="_", env_nested_max_split=1, frozen=True, extra="ignore"
    )

    server: ServerSettings = ServerSettings()
    media: MediaSettings = MediaSettings()
    triton: TritonSettings = TritonSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    stream: StreamSettings = StreamSettings()
    client: ClientSettings = ClientSettings()
