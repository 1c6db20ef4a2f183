"""A contender's process and the memory of its answers."""

import sys
from pathlib import Path

import pytest

from benchmarks.peers import contender, process
from benchmarks.peers.contender import Contender
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.remembered import Remembered
from benchmarks.recordings import CorpusRecording

ECHO = """
from pathlib import Path
from benchmarks.peers.worker import PeerTranscript, PeerJob, serve

class Echo:
    def __init__(self, weights: Path, threads: int) -> None:
        self.versions = {"echo": "1"}
        self.asked = 0

    def prepare(self, job: PeerJob) -> None:
        print("noise of a library")

    def transcribe(self, job: PeerJob) -> PeerTranscript:
        self.asked += 1
        if job.language == "xx":
            raise ValueError("no such language")
        return PeerTranscript(f"{Path(job.audio).stem} {self.asked}", job.language, [["word", 0.5, 1]])

serve(Echo)
"""
CLIP = CorpusRecording("clip", Path("clip.wav"), "A-read", "en", "", 1.0)


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contender:
    """A contender whose answer counts how often it was asked."""
    package = tmp_path / "benchmarks" / "peers"
    package.mkdir(parents=True)
    (package / "echo.py").write_text(ECHO)
    for name in ("__init__.py", "peers/__init__.py"):
        (tmp_path / "benchmarks" / name).write_text("")
    root = Path(process.__file__).parents[2]
    (package / "worker.py").symlink_to(root / "benchmarks" / "peers" / "worker.py")
    (tmp_path / "speech").symlink_to(root / "speech")
    for module in (contender, process):
        monkeypatch.setattr(module, "PROJECT", tmp_path)
    return Contender("echo", tmp_path, Path(sys.executable))


def test_answers_come_past_whatever_a_library_prints(echo: Contender) -> None:
    with echo:
        outcome = echo.transcribe(CLIP, words=True, language="en")

    assert (outcome.text, outcome.language, outcome.words) == ("clip 1", "en", (("word", 0.5, 1.0),))
    assert echo.process.returncode == 0


def test_a_failure_is_told_and_the_contender_goes_on(echo: Contender) -> None:
    with echo:
        with pytest.raises(PeerFailed, match="no such language"):
            echo.transcribe(CLIP, words=True, language="xx")
        assert echo.transcribe(CLIP, words=True, language="en").text == "clip 2"


def test_a_contender_that_died_is_told(echo: Contender) -> None:
    echo.process.kill()
    echo.process.wait()

    with pytest.raises(PeerFailed, match="echo ended"):
        echo.transcribe(CLIP, words=True)


def test_what_was_heard_once_is_not_asked_again(echo: Contender, tmp_path: Path) -> None:
    with echo:
        first = Remembered(echo, tmp_path / "answers").transcribe(CLIP, words=False, language="en")
        again = Remembered(echo, tmp_path / "answers").transcribe(CLIP, words=False, language="en")
        other = Remembered(echo, tmp_path / "answers").transcribe(CLIP, words=False, language="fr")

    assert (first.text, again.text, other.text) == ("clip 1", "clip 1", "clip 2")
