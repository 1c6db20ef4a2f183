from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.media.ffmpeg import MediaLimits
from gateway.services import decodes_at_once, media_limits
from gateway.settings import MediaSettings, Settings


def test_a_setting_is_read_from_its_group_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_SERVER_PORT", "9001")
    monkeypatch.setenv("STT_MEDIA_UPLOAD_IDLE_SECONDS", "7")

    settings = Settings()

    assert settings.server.port == 9001
    assert settings.media.upload_idle_seconds == 7


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_TRITON_URLS", "one:8001, two:8001,")

    assert Settings().triton.urls == ("one:8001", "two:8001")


@pytest.mark.parametrize(
    ("name", "value"),
    [("STT_SERVER_PROT", "80"), ("STT_SERVER_PORT", "http"), ("STT_TRITON_URLS", "gpu1"), ("STT_TRITON_URLS", "a:0")],
)
def test_misspelt_names_and_values_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError):
        Settings()


def test_a_secret_lies_in_a_file_of_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "stt_accounts_database").write_text("postgresql://stt:secret@postgres/stt\n")
    (tmp_path / "stt_summarizer_key").write_text("key\n")
    (tmp_path / "postgres_password").write_text("of another service")
    monkeypatch.setenv("STT_SECRETS", str(tmp_path))
    monkeypatch.setenv("STT_SUMMARIZER_URL", "http://summarizer:8000")

    settings = Settings()

    assert settings.accounts.database.get_secret_value() == "postgresql://stt:secret@postgres/stt"
    assert (settings.summarizer.key, settings.summarizer.url) == ("key", "http://summarizer:8000")


def test_what_a_file_may_cost_can_be_set_and_is_what_it_was_otherwise() -> None:
    assert media_limits(MediaSettings()) == MediaLimits()
    assert media_limits(MediaSettings(longest_seconds=60, decode_seconds=5)) == MediaLimits(60, wall=5, processor=5)


@pytest.mark.parametrize(("processors", "gigabytes", "decodes"), [(2, 8, 2), (64, 8, 2), (4, 64, 4), (4, 2, 1)])
def test_all_decoders_together_fit_into_the_memory(processors: int, gigabytes: int, decodes: int) -> None:
    assert decodes_at_once(processors, gigabytes * 2**30) == decodes
