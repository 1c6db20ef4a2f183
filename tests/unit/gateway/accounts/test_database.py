import pytest

from gateway.accounts.database import driver_url


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_every_spelling_of_postgresql_gets_the_driver_that_is_used(url: str) -> None:
    assert driver_url(url).drivername == "postgresql+asyncpg"


def test_another_database_is_refused_without_repeating_its_password() -> None:
    with pytest.raises(ValueError, match="sqlite:///file or postgresql://") as caught:
        driver_url("mysql://u:secret@h/d")

    assert "secret" not in str(caught.value)
