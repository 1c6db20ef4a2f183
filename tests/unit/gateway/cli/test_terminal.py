import pytest

from gateway.cli.main import main


@pytest.mark.parametrize("command", ["listen", "transcribe", "summarize"])
def test_an_address_that_is_none_is_a_wrong_use(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command, "--url", "localhost:8080", "sound.wav"])

    assert "accepted: http://host:port" in capsys.readouterr().err
