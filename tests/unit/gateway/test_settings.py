import pytest
from pydantic import ValidationError

from gateway.settings import Settings


def test_a_setting_is_read_from_its_group_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_SERVER_PORT", "9001")
    monkeypatch.setenv("STT_MEDIA_UPLOAD_IDLE_SECONDS", "7")

    settings = Settings()

    assert settings.server.port == 9001
    assert settings.media.upload_idle_seconds == 7


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_TRITON_URLS", "one:8001, two:8001,")

    assert Settings().triton.urls == ("one:8001", "two:8001")


@pytest.mark.parametrize(("name", "value"), [("STT_SERVER_PROT", "80"), ("STT_SERVER_PORT", "http")])
def test_misspelt_names_and_values_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError):
        Settings()
