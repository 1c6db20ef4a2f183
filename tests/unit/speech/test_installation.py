from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from speech import installation

ROOT = Path(__file__).parents[3]
SHOW = "from speech import installation as i; print(i.data_folder()); print(i.model_repository())"


def test_a_checkout_keeps_its_data_whatever_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert installation.data_folder() == ROOT / "var"
    assert installation.model_repository() == ROOT / "model_repository"
    assert installation.weights_folder() == ROOT / "var" / "weights"


@pytest.mark.parametrize(
    ("variables", "data"),
    [
        ({"XDG_DATA_HOME": "/srv/share", "HOME": "/home/anna"}, "/srv/share/stt"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/home/anna"}, "/home/anna/.local/share/stt"),
        ({"HOME": "/home/anna"}, "/home/anna/.local/share/stt"),
    ],
)
def test_a_wheel_follows_xdg(tmp_path: Path, variables: dict[str, str], data: str) -> None:
    (tmp_path / "speech").mkdir()
    for name in ("__init__.py", "installation.py"):
        shutil.copy(ROOT / "speech" / name, tmp_path / "speech" / name)

    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {SHOW}"]
    shown = subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout

    assert shown.split() == [data, f"{data}/model_repository"]
