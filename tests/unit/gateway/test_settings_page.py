"""docs/settings.md is what the settings say of themselves, defaults included."""

from pathlib import Path

import pytest
from pydantic import Field
from pydantic.fields import FieldInfo

from gateway.settings import Settings
from gateway.settings_page import TITLES, default_text, settings_page, variable

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_page_in_docs_is_the_one_that_is_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "run `make docs`"


def test_every_group_has_a_title() -> None:
    assert list(TITLES) == list(Settings.model_fields)


def test_a_variable_on_the_page_sets_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("server", "port"), "9000")

    assert Settings().server.port == 9000


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (Field(default=30.0), "30"),
        (Field(default=0.25), "0.25"),
        (Field(default=True), "true"),
        (Field(default=None), "none"),
        (Field(default=()), "none"),
        (Field(default=("base", "small")), "base,small"),
        (Field(default=""), "none"),
        (Field(default=2 * 1024**3), "2147483648"),
    ],
)
def test_a_default_is_written_as_the_environment_takes_it(setting: FieldInfo, text: str) -> None:
    assert default_text(setting) == text


def test_a_default_that_depends_on_the_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="without a fixed default"):
        default_text(FieldInfo(default_factory=Path.cwd))
