"""Every setting of the service, and the only place that reads environment variables.

A setting is `STT_<GROUP>_<NAME>`: `STT_SERVER_PORT=9000`, `STT_TRITON_URLS=gpu1:8001,gpu2:8001`.
Lists are separated by commas. What nobody should see in a process's environment may lie in a file of that name in
small letters, in the folder that STT_SECRETS names (/run/secrets, where containers find them).

A relative path in a setting counts from the current folder. The defaults do not: they are the installation's
(`speech.installation`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from speech import installation

SUMMARIZER_FILE = "summarizer/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"  # in the folder of weights


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _installed(folder: Callable[[], Path], shown: str, *parts: str) -> Any:
    """A default path that depends on the installation. shown: how it reads in documents"""
    return Field(default_factory=lambda: folder().joinpath(*parts), json_schema_extra={"default": shown})


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


def web_address(text: str) -> str:
    """Raises ValueError."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{text!r} is no address of a service; accepted: http://host:port, https://host")
    return text


def _port(text: str) -> str:
    """Raises ValueError."""
    if not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise ValueError(f"{text!r} is no port; accepted: 1 to 65535")
    return text


def _grpc_address(text: str) -> str:
    """Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{text!r} is no gRPC address; accepted: host:port, as in triton:8001")
    return text


class SettingsGroup(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ServerSettings(SettingsGroup):
    host: str = "127.0.0.1"
    """address to listen on"""
    port: int = Field(default=8080, ge=0, le=65535)
    """port to listen on; 0 takes a free one"""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """port of the metrics for Prometheus, on the same address; none: no metrics. Not for the public"""
    data: Path = _installed(installation.data_folder, "var")
    """folder for everything that the service writes"""
    shutdown_seconds: float = Field(default=30.0, gt=0)
    """how long work in hand may take to finish at shutdown"""
    drain_seconds: float = Field(default=0.0, ge=0)
    """how long /health answers 503 before that, and requests are still taken, for load balancers to look elsewhere"""
    cors_origins: CommaList = ("*",)
    """origins (https://app.example) whose web pages may call the API; others are turned away"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """least serious log entry that is written"""
    log_format: Literal["auto", "text", "json"] = "auto"
    """how log entries are written; auto: as text for people on a terminal, as JSON elsewhere"""
    docs: bool = True
    """whether the service describes its API: the page /docs, /openapi.json and /asyncapi.json"""
    page: bool = True
    """whether browsers get the web page at /; where `cors_origins` is set, it has to list the page's own name, too"""


class MediaSettings(SettingsGroup):
    max_upload_bytes: int = Field(default=2 * 1024**3, gt=0)
    """largest file that is accepted, whoever sends it"""
    upload_idle_seconds: float = Field(default=60.0, gt=0)
    """how long an upload may stand still before it is given up"""
    longest_seconds: float = Field(default=24 * 3600.0, gt=0)
    """longest recording that is accepted, in seconds of sound"""
    decode_seconds: int = Field(default=1800, ge=1)
    """how long the decoding of one file may take, on the clock and of the processor"""


class TritonSettings(SettingsGroup):
    urls: Annotated[CommaList, AfterValidator(lambda urls: tuple(map(_grpc_address, urls)))] = ()
    """gRPC addresses (host:port); every machine behind a name is a Triton of its own; none: one is started here"""
    control_key: SecretStr = SecretStr("")
    """key that they ask for before a model is loaded again (`--grpc-restricted-protocol`); empty: none, or one drawn"""
    certificate: Path | None = None
    """PEM file of the authority behind their certificates: the connection is encrypted; none: plain text"""
    metrics_port: int = Field(default=8002, ge=0, le=65535)
    """port of their metrics, where /health reads of their GPU; 0: not read"""
    repository: Path = _installed(installation.model_repository, "model_repository")
    """models of the Triton that is started here"""
    processes: int = Field(default=0, ge=0)
    """Tritons that are started here, among which the processors are divided; 0: one for each 8 of them"""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """longest wait for one window, waiting behind others included"""
    patience_seconds: float = Field(default=20.0, ge=0)
    """how long a window is tried again while no Triton can take it"""
    probe_seconds: float = Field(default=2.0, gt=0)
    """time between two looks at each Triton's health"""


class RecognitionSettings(SettingsGroup):
    models: CommaList = ("base",)
    """Whisper models that are deployed"""
    stand_in: str = "base"
    """deployed model that answers for known ones that are not deployed; empty: answer 503 for those"""


class DiarizationSettings(SettingsGroup):
    deployed: bool = True
    """whether the diarizer runs, so that transcripts can name speakers"""
    voice_key: SecretStr = SecretStr("")
    """secret that signs the voice vectors of answers, the same for all gateways; none: a file in the data folder"""
    pyannote_python: Path | None = None
    """Python of an environment with pyannote.audio: its own pipeline diarizes instead of the model in Triton"""
    pyannote_weights: Path = _installed(installation.data_folder, "var/pyannote", "pyannote")
    """folder of that pipeline's weights"""
    timeout_seconds: float = Field(default=60.0, gt=0)
    """how long finished words wait for their speakers, before the transcript goes out without them"""
    timeout_share: float = Field(default=0.25, ge=0)
    """share of the recording's length that they wait on top"""


class StreamSettings(SettingsGroup):
    config_seconds: float = Field(default=10.0, gt=0)
    """how long a live session may take to send its config"""
    idle_seconds: float = Field(default=60.0, gt=0)
    """how long a live session may send no audio before it is ended"""
    longest_seconds: float = Field(default=4 * 3600.0, gt=0)
    """longest live session, in seconds of audio and by the clock"""
    patience_seconds: float = Field(default=120.0, ge=0)
    """how long a live session waits for a Triton that is away"""
    ping_seconds: float = Field(default=20.0, gt=0)
    """time between two keep-alive pings"""
    max_frame_bytes: int = Field(default=16 * 1024**2, gt=0)
    """largest frame that is accepted"""


class WyomingSettings(SettingsGroup):
    address: str = ""
    """host:port where Home Assistant's protocol, which has no keys, is served (0.0.0.0:10300); none: it is not"""
    key: SecretStr = SecretStr("")
    """API key that all of it counts for; none: each client counts as anonymous"""
    zeroconf: bool = False
    """whether the address is announced in the local network"""
    connections: int = Field(default=16, ge=1)
    """most clients at once"""
    longest_seconds: float = Field(default=300.0, gt=0)
    """longest utterance, in seconds of sound"""
    idle_seconds: float = Field(default=60.0, gt=0)
    """how long a client may say nothing"""


class SummarizerSettings(SettingsGroup):
    mode: Literal["embedded", "off"] = "embedded"
    """embedded: a small model is run on this machine, if there is no `url`; off: summaries answer 503"""
    url: str = ""
    """any server with the OpenAI chat API (vLLM, llama.cpp); none: `mode` decides"""
    key: str = Field(default="", repr=False)
    """API key for `url`"""
    model: str = ""
    """model to ask for at `url`; none: the first that it serves"""
    file: Path = _installed(installation.weights_folder, f"var/weights/{SUMMARIZER_FILE}", *SUMMARIZER_FILE.split("/"))
    """GGUF file of the embedded model; its stem, without the quantization, is the model's name in answers"""
    threads: int = Field(default=0, ge=0)
    """CPU threads of the embedded model; 0: all cores, at most 8, at a lower priority than transcription"""
    context: int = Field(default=8192, ge=1024)
    """tokens of a text and its summary that the embedded model reads at once; longer texts go piece by piece"""
    slots: int = Field(default=2, ge=1)
    """summaries that the embedded model writes at once"""


class ClientSettings(SettingsGroup):
    url: Annotated[str, AfterValidator(web_address)] = "http://127.0.0.1:8080"
    """service that the commands talk to"""
    key: str = Field(default="", repr=False)
    """API key that the commands send"""


class AccountSettings(SettingsGroup):
    database: SecretStr = SecretStr("")
    """account store, sqlite:///file or postgresql://user:password@host/name; none: accounts.db in the data folder"""
    tiers: Path | None = None
    """TOML file with the tiers; none: the packaged gateway/accounts/tiers.toml"""
    anonymous: str = "auto"
    """tier of requests without a key; auto: unlimited for the machine's own user where the service listens on a \
loopback address and has no trusted proxies, else `anonymous`; `unlimited` opens it to everybody who reaches it"""
    anonymous_keys: CommaList = ()
    """keys that count as none at other protocols' addresses, for programs that insist on one (none, not-needed)"""
    trusted_proxies: CommaList = ()
    """addresses or networks of proxies whose X-Forwarded-For is believed"""
    lease_seconds: float = Field(default=60.0, ge=3)
    """after which the work of a gateway that died is given back"""


class CapacitySettings(SettingsGroup):
    recordings: int = Field(default=120, gt=0)
    """recordings that a gateway has in work at once, uploads included; more are answered 503"""
    live_sessions: int = Field(default=250, gt=0)
    """live sessions that a gateway has at once"""
    backlog_bytes: int = Field(default=1024**3, gt=0)
    """bytes of live audio that wait to be heard, of all sessions together: each has its share and then has to wait"""
    spool_bytes: int | None = Field(default=None, gt=0)
    """bytes of uploads that a gateway has on its disk at once; none: as many as there is room for"""
    free_bytes: int = Field(default=512 * 1024**2, ge=0)
    """bytes of that disk that uploads leave free"""
    decodes: int | None = Field(default=None, gt=0)
    """recordings that a gateway decodes at once; none: one a processor, as memory allows (4 GiB each)"""


class JobSettings(SettingsGroup):
    enabled: bool = True
    """whether recordings may be handed over as jobs (/v1/jobs)"""
    storage: str = ""
    """where their recordings lie, the same for all gateways: s3://bucket/folder, gs://… or az://… (with the \
credentials of those clients' own variables); none: the folder `jobs` in the data folder"""
    at_once: int = Field(default=4, ge=1)
    """jobs that a gateway works on at once"""
    recording_hours: float = Field(default=24.0, ge=0)
    """how long a recording is kept, at least until its job has ended"""
    transcript_hours: float = Field(default=168.0, gt=0)
    """how long a job that has ended is kept, with its transcript"""
    upload_hours: float = Field(default=24.0, gt=0)
    """how long a resumable upload (/v1/uploads) is kept after its last piece, unless it becomes a job"""
    upload_bytes: int = Field(default=20 * 1024**3, gt=0)
    """bytes of all resumable uploads that one account may have at once"""


class OutgoingSettings(SettingsGroup):
    ports: Annotated[CommaList, AfterValidator(lambda ports: tuple(map(_port, ports)))] = ("80", "443")
    """ports that recordings are fetched from, and webhooks are sent to"""
    hosts: CommaList = ()
    """the only hosts for that; none: any with a public address"""
    private_hosts: CommaList = ()
    """hosts for that whose addresses may be of this machine or its network; others' have to be public"""
    download_seconds: float = Field(default=3600.0, gt=0)
    """how long the download of one recording may take"""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="STT_", env_nested_delimiter="_", env_nested_max_split=1, frozen=True, extra="ignore"
    )

    server: ServerSettings = Field(default_factory=ServerSettings)
    media: MediaSettings = Field(default_factory=MediaSettings)
    triton: TritonSettings = Field(default_factory=TritonSettings)
    recognition: RecognitionSettings = Field(default_factory=RecognitionSettings)
    diarization: DiarizationSettings = Field(default_factory=DiarizationSettings)
    stream: StreamSettings = Field(default_factory=StreamSettings)
    wyoming: WyomingSettings = Field(default_factory=WyomingSettings)
    client: ClientSettings = Field(default_factory=ClientSettings)
    accounts: AccountSettings = Field(default_factory=AccountSettings)
    capacity: CapacitySettings = Field(default_factory=CapacitySettings)
    jobs: JobSettings = Field(default_factory=JobSettings)
    outgoing: OutgoingSettings = Field(default_factory=OutgoingSettings)
    summarizer: SummarizerSettings = Field(default_factory=SummarizerSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        secrets = NestedSecretsSettingsSource(
            file_secret_settings,
            secrets_dir=os.environ.get("STT_SECRETS", "/run/secrets"),
            secrets_dir_missing="ok",
        )
        return init_settings, env_settings, SummarizerShortForms(settings_cls), secrets


class SummarizerShortForms(PydanticBaseSettingsSource):
    """SUMMARIZER=off and SUMMARIZER_URL=... are short for STT_SUMMARIZER_MODE and STT_SUMMARIZER_URL."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        names = {"SUMMARIZER": "mode", "SUMMARIZER_URL": "url"}
        given = {name: os.environ[variable] for variable, name in names.items() if variable in os.environ}
        return {"summarizer": given} if given else {}
