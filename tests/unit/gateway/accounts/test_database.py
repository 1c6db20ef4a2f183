from pathlib import Path

import pytest

from gateway.accounts.database import Database, driver_url


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_every_spelling_of_postgresql_gets_the_driver_that_is_used(url: str) -> None:
    assert driver_url(url).drivername == "postgresql+asyncpg"


def test_another_database_is_refused_without_repeating_its_password() -> None:
    with pytest.raises(ValueError, match="sqlite:///file or postgresql://") as caught:
        driver_url("mysql://u:secret@h/d")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_that_would_forget_everything_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        driver_url(url)


async def test_a_store_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "accounts.db"
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"accounts.db{suffix}").touch(mode=0o644)
    database = Database(f"sqlite:///{file}")
    await database.migrate()

    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    await database.close()


async def test_the_file_of_a_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new' / 'accounts.db'}")
    await database.migrate()

    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "new").iterdir()} == {0}
    await database.close()


async def test_what_a_store_forgets_is_overwritten(tmp_path: Path) -> None:
    """Transcripts and the salts of addresses do not stay in free pages of its file."""
    store = Database(f"sqlite:///{tmp_path / 'accounts.db'}")

    assert await store.read(lambda c: c.exec_driver_sql("PRAGMA secure_delete").scalar()) == 1
    await store.close()
