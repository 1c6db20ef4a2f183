from __future__ import annotations

import pytest

from gateway.cli.main import main
from gateway.cli.settings_errors import suggest_for_unknown_groups


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("STT_SERVER_PROT", "9000", "there is no setting STT_SERVER_PROT; did you mean STT_SERVER_PORT?"),
        ("STT_SERVER_QUITE_ELSE", "1", "there is no setting STT_SERVER_QUITE_ELSE"),
        ("STT_SERVER_PORT", "http", "STT_SERVER_PORT is 'http'; accepted: a whole number"),
        ("STT_SERVER_PORT", "70000", "STT_SERVER_PORT is '70000'; accepted: at most 65535"),
        ("STT_SERVER_SHUTDOWN_SECONDS", "0", "accepted: more than 0"),
        ("STT_SERVER_LOG_LEVEL", "loud", "accepted: 'debug', 'info', 'warning' or 'error'"),
        ("STT_DIARIZATION_DEPLOYED", "perhaps", "accepted: true or false"),
        ("STT_CLIENT_URL", "gpu1", "STT_CLIENT_URL: 'gpu1' is no address of a service; accepted: http://host:port"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_in_a_sentence(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)

    assert main(["status"]) == 2

    told = capsys.readouterr().err
    assert told.startswith(f"stt: {says}") or says in told
    assert "Input should" not in told and "Extra inputs" not in told


def test_a_misspelt_group_is_pointed_out_and_other_names_are_let_be() -> None:
    others = ["STT_SECRETS", "STT_TEST_RECORDINGS", "STTY", "HOME", "STT_SERVER_PORT"]

    assert list(suggest_for_unknown_groups([*others, "STT_SEVER_PORT"])) == [
        "STT_SEVER_PORT is no setting and was ignored; did you mean STT_SERVER_PORT?"
    ]
