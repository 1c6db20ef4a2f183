"""The README's table of settings is the settings' own."""

from pathlib import Path

from gateway.settings import Settings

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_listed_with_its_meaning() -> None:
    for group, field in Settings.model_fields.items():
        for name, setting in field.annotation.model_fields.items():  # type: ignore[union-attr]
            assert f"`STT_{group.upper()}_{name.upper()}`" in README
            assert str(setting.description) in README


def test_nothing_is_listed_that_does_not_exist() -> None:
    known = {f"STT_{g}_{n}".upper() for g, f in Settings.model_fields.items() for n in f.annotation.model_fields}  # type: ignore[union-attr]
    listed = {line.split("`")[1] for line in README.splitlines() if line.startswith("| `STT_")}
    assert listed == known
