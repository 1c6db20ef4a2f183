"""The web page beside the JSON of GET /; tests/e2e/test_page.py uses it in a browser."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from gateway.errors import ServiceError, answer_error
from gateway.page import files
from gateway.routes.table import operations
from gateway.settings import ServerSettings, Settings

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of the package: what is written into its `built` is the page."""
    (tmp_path / "built").mkdir()
    (tmp_path / "unbuilt.html").write_text("<p>make page</p>")
    monkeypatch.setattr(files, "files", lambda _package: tmp_path)
    files.page_file.cache_clear()
    files.how_to_build.cache_clear()
    yield tmp_path / "built"
    files.page_file.cache_clear()
    files.how_to_build.cache_clear()


def client(*, page: bool = True) -> TestClient:
    wanted = [each for each in operations(docs=False, page=page) if each.path == "/" or each.path.startswith("/page")]
    routes = [Route(each.path, each.serve, methods=[each.method]) for each in wanted]
    app = Starlette(routes=routes, exception_handlers={ServiceError: answer_error})
    app.state.services = SimpleNamespace(settings=Settings(server=ServerSettings(page=page)))
    return TestClient(app)


def test_a_browser_gets_the_page_and_a_program_the_index(built: Path) -> None:
    (built / "index.html").write_text("<div id=app></div>")

    page, index = client().get("/", headers=BROWSER), client().get("/")

    assert page.text == "<div id=app></div>"
    assert page.headers["content-type"].startswith("text/html")
    assert index.json()["service"] == "stt"
    assert "Accept" in page.headers["vary"] and "Accept" in index.headers["vary"]


def test_where_nothing_was_built_the_page_says_how_to_build_it(built: Path) -> None:
    page = client().get("/", headers=BROWSER)

    assert "make page" in page.text
    assert page.headers["cache-control"] == "no-store"


def test_nothing_but_the_services_own_files_becomes_script_or_style(built: Path) -> None:
    (built / "app.js").write_text("1")

    for answer in (client().get("/", headers=BROWSER), client().get("/page/app.js")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy
        assert "unsafe" not in policy and "http" not in policy


def test_a_file_is_sent_compressed_and_once(built: Path) -> None:
    (built / "app.js").write_text("let a = 1;" * 100)

    whole = client().get("/page/app.js", headers={"Accept-Encoding": "identity"})
    small = client().get("/page/app.js", headers={"Accept-Encoding": "gzip"})
    again = client().get("/page/app.js", headers={"If-None-Match": whole.headers["etag"]})

    assert whole.text == small.text == "let a = 1;" * 100
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) == len(gzip.compress(whole.content, mtime=0))
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["built.stamp", "index.html", "secrets", "..%2Fsettings.py"])
def test_no_other_file_is_sent(built: Path, name: str) -> None:
    (built / "built.stamp").write_text("1")
    (built / "index.html").write_text("1")

    assert client().get(f"/page/{name}").status_code == 404


def test_a_service_may_have_no_page(built: Path) -> None:
    (built / "index.html").write_text("<div id=app></div>")
    (built / "app.js").write_text("1")

    assert client(page=False).get("/", headers=BROWSER).json()["service"] == "stt"
    assert client(page=False).get("/page/app.js").status_code == 404
