"""The service as it runs on several machines, in small: PostgreSQL, two Tritons, two gateways, a language model.

Each part is a process that can be killed, stopped and started again; between the parts stand relays that break.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import asyncpg
import httpx

from benchmarks.chaos import sounds
from benchmarks.chaos.relays import BreakableRelay, relayed
from benchmarks.environments import PROJECT
from benchmarks.postgres import PostgresServer
from benchmarks.processes import family
from benchmarks.service import free_port

STT = Path(sys.executable).with_name("stt")
MODEL = "whisper-base"
LEASE_SECONDS = 4.0
START_SECONDS = 300.0
MARK = "STT_CHAOS_RUN"  # in the environment of everything that a run started
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # of a key's prefix
SOCKET = ".s.PGSQL.5432"
STORE_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass
class RunningPart:
    """A process that is started again with the same command. Ended ones are noticed by nobody but the run."""

    name: str
    command: list[str]
    settings: dict[str, str]
    folder: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    down: bool = False  # on purpose

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.starts += 1
        self.down = False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=os.environ | self.settings, stdout=log, stderr=log, cwd=PROJECT
            )

    def kill(self, number: signal.Signals = signal.SIGKILL, wait: float = 60.0) -> None:
        self.down = True
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(wait)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def children(self, word: str) -> list[int]:
        """Process ids below it whose command has the word in it."""
        found = []
        for pid in family(self.pid)[1:]:
            try:
                if word in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                    found.append(pid)
            except OSError:
                continue
        return found

    @property
    def ended(self) -> bool:
        """By itself."""
        return self.process is not None and not self.down and self.process.poll() is not None

    async def healthy(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.url}/health", timeout=2)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


@dataclass
class SmallDeployment:
    postgres: PostgresServer
    tritons: list[RunningPart]  # a gateway each, that nobody asks but for the Triton that it keeps alive
    gateways: list[RunningPart]
    chat: RunningPart
    triton_relays: list[BreakableRelay]
    store_relays: list[BreakableRelay]  # one for each gateway
    folder: Path
    mark: str

    @asynccontextmanager
    async def store(self) -> AsyncIterator[asyncpg.Connection]:
        """The account store, beside the relays."""
        connection = await asyncpg.connect(host=str(self.postgres.folder), user="stt", database="postgres")
        try:
            yield connection
        finally:
            await connection.close()

    async def create_key(self, name: str, credits: int) -> str:
        """A paid API key, as `stt keys create` makes it, which takes seconds where others work beside it."""
        prefix = "".join(secrets.choice(LETTERS) for _ in range(12))
        key, account, now = f"stt_{prefix}_{secrets.token_urlsafe(32)}", secrets.token_hex(8), int(time.time() * 1000)
        digest = hashlib.sha256(key.encode()).hexdigest()
        async with self.store() as store:
            await store.execute("INSERT INTO accounts VALUES ($1, $2, 'paid', $3)", account, name, now)
            await store.execute(
                "INSERT INTO keys (prefix, digest, account, created_at) VALUES ($1, $2, $3, $4)",
                *(prefix, digest, account, now),
            )
            await store.execute(
                "INSERT INTO ledger (subject, bucket, sequence, kind, amount, balance, created_at) "
                "VALUES ($1, 'credits', 1, 'grant', $2, $2, $3)",
                *(account, credits, now),
            )
        return key

    async def revoke_key(self, key: str) -> bool:
        """False: the store is away."""
        try:
            async with self.store() as store:
                now = int(time.time() * 1000)
                await store.execute("UPDATE keys SET revoked_at = $1 WHERE prefix = $2", now, key.split("_")[1])
        except STORE_AWAY:
            return False
        return True


def echo_repository(folder: Path) -> Path:
    """A model repository whose only model hears what `sounds` says."""
    version = folder / MODEL / "1"
    version.mkdir(parents=True)
    shutil.copy(PROJECT / "model_repository" / MODEL / "config.pbtxt", folder / MODEL)
    shutil.copy(Path(__file__).with_name("echo_model.py"), version / "model.py")
    words = {"shortest": sounds.SHORTEST, "step": sounds.STEP, "words": sounds.VOCABULARY}
    (version / "words.json").write_text(json.dumps(words))
    (version / "manifest.json").write_text("{}")  # by which a start knows that a model is there
    return folder


@asynccontextmanager
async def deployed(
    folder: Path,
    mutant: str = "",
    triton_count: int = 2,
    settings: Mapping[str, str] = MappingProxyType({}),
    repository: Path | None = None,
) -> AsyncIterator[SmallDeployment]:
    """mutant: a fault that is built into the gateways on purpose, by name; settings: of all parts, beside their own;
    repository: of the Tritons' models; None: the one that echoes"""
    mark = f"{os.getpid()}-{time.time_ns()}"
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(PostgresServer(durable=True))
        common = {
            MARK: mark,
            "STT_DIARIZATION_DEPLOYED": "false",
            "STT_SERVER_LOG_LEVEL": "info",
            "STT_TRITON_CONTROL_KEY": secrets.token_hex(8),
            "STT_TRITON_PROBE_SECONDS": "1",
            **settings,
        }
        repository = repository or echo_repository(folder / "models")
        tritons = [_triton(folder / f"triton-{number}", repository, common) for number in range(triton_count)]
        chat = _chat(folder / "chat", common)
        triton_relays = [BreakableRelay(0) for _ in tritons]
        ports = [await stack.enter_async_context(relayed(relay)) for relay in triton_relays]
        urls = {"STT_TRITON_URLS": ",".join(f"127.0.0.1:{port}" for port in ports), "STT_SUMMARIZER_URL": chat.url}
        gateways, store_relays = [], []
        for number in range(2):
            sockets = folder / f"store-{number}"
            sockets.mkdir()
            store_relays.append(BreakableRelay(postgres.folder / SOCKET))
            await stack.enter_async_context(relayed(store_relays[-1], sockets / SOCKET))
            store = {"STT_ACCOUNTS_DATABASE": f"postgresql://stt@/postgres?host={sockets}"}
            gateways.append(_gateway(folder / f"gateway-{number}", common | urls | store, mutant))
        parts = (*tritons, chat, *gateways)
        stack.push_async_callback(_end, parts)
        for part in parts:
            part.start()
        for triton, relay in zip(tritons, triton_relays, strict=True):
            relay.target = await _triton_port(triton)
        await until_healthy([*parts])
        yield SmallDeployment(postgres, tritons, gateways, chat, triton_relays, store_relays, folder, mark)


async def _end(parts: Sequence[RunningPart]) -> None:
    await asyncio.gather(*(asyncio.to_thread(part.kill, signal.SIGTERM) for part in parts))


async def until_healthy(parts: list[RunningPart], seconds: float = START_SECONDS, *, again: bool = False) -> None:
    """again: what ends by itself is started again, as an orchestrator does. raises: TimeoutError"""
    async with asyncio.timeout(seconds), httpx.AsyncClient() as client:
        for part in parts:
            while not await part.healthy(client):
                if part.ended and again:
                    part.start()
                elif part.ended:
                    raise RuntimeError(f"{part.name} did not start: {part.log.read_text()[-3000:]}")
                await asyncio.sleep(0.1)


def _chat(folder: Path, common: dict[str, str]) -> RunningPart:
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("chat_model.py")), str(port)]
    return RunningPart("chat", command, common, folder, f"http://127.0.0.1:{port}")


def _triton(folder: Path, repository: Path, common: dict[str, str]) -> RunningPart:
    port = free_port()
    settings = common | {
        "STT_SERVER_PORT": str(port),
        "STT_SERVER_DATA": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "STT_TRITON_REPOSITORY": str(repository),
        "STT_SUMMARIZER_MODE": "off",
    }
    return RunningPart(folder.name, [str(STT), "serve"], settings, folder, f"http://127.0.0.1:{port}")


async def _triton_port(part: RunningPart) -> int:
    async with asyncio.timeout(START_SECONDS):
        while True:
            lines = part.log.read_text().splitlines() if part.log.exists() else []
            for line in lines:
                if line.startswith("Triton answers at "):
                    return int(line.split()[3].rstrip(",").rpartition(":")[2])
            if part.process is not None and part.process.poll() is not None:
                raise RuntimeError(f"{part.name} did not start: {lines[-20:]}")
            await asyncio.sleep(0.1)


def _gateway(folder: Path, settings: dict[str, str], mutant: str) -> RunningPart:
    port = free_port()
    own = settings | {
        "STT_SERVER_PORT": str(port),
        "STT_SERVER_DATA": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "STT_TRITON_PATIENCE_SECONDS": "30",
        "STT_TRITON_TIMEOUT_SECONDS": "20",
        "STT_ACCOUNTS_ANONYMOUS": "anonymous",
        "STT_ACCOUNTS_TRUSTED_PROXIES": "127.0.0.1",  # lets a client be many addresses
        "STT_ACCOUNTS_LEASE_SECONDS": settings.get("STT_ACCOUNTS_LEASE_SECONDS", str(LEASE_SECONDS)),
        "STT_CAPACITY_FREE_BYTES": "0",
    }
    command = [str(STT), "serve"]
    if mutant:
        command = [sys.executable, str(Path(__file__).with_name("mutated_gateway.py")), mutant]
    return RunningPart(folder.name, command, own, folder, f"http://127.0.0.1:{port}")
