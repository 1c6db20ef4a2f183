from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from export.download import InvalidDownload
from export.summarizer import SUMMARIZERS, fetch_summarizer
from gateway.accounts.from_settings import open_accounts
from gateway.draining import Draining
from gateway.errors import ServiceError, answer_error
from gateway.routes.summarize import summarize
from gateway.settings import AccountSettings, ServerSettings, Settings
from gateway.summaries.embedded import EmbeddedServer, LlamaOptions
from gateway.summaries.summarizer import Summarizer

WEIGHTS = Path(__file__).parents[3] / "var" / "weights" / "summarizer"
START_SECONDS = 60


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The smallest model: it writes nonsense, through the same server as a good one."""
    try:
        return fetch_summarizer(SUMMARIZERS["smollm2-135m"], WEIGHTS)
    except InvalidDownload as problem:
        pytest.skip(f"the small model cannot be fetched: {problem}")


@pytest.fixture(scope="session")
def options(model_file: Path) -> LlamaOptions:
    return LlamaOptions(model_file, "smollm2-135m-instruct", threads=2, context=1024)


@pytest.fixture(scope="session")
def embedded(options: LlamaOptions) -> EmbeddedServer:
    return EmbeddedServer(options)


@pytest.fixture(scope="session")
def url(embedded: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """POST /v1/summarize over the real llama.cpp, without the rest of the service."""
    data = ServerSettings(data=tmp_path_factory.mktemp("accounts"))
    settings = Settings(server=data, accounts=AccountSettings(anonymous="unlimited"))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        embedded.start()
        await embedded.ready()
        async with open_accounts(settings) as accounts:
            app.state.services = SimpleNamespace(
                summarizer=Summarizer(embedded), accounts=accounts, draining=Draining(), settings=settings
            )
            yield
        await embedded.stop()

    routes = [Route("/v1/summarize", summarize, methods=["POST"])]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={ServiceError: answer_error})
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.started
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
