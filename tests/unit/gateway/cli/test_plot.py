from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.plot import PlotFailed, plot, read_peaks
from gateway.transcript.rendering import fields, read_fields
from gateway.transcript.segments import segment
from speech.transcript import Transcript, Word

TELEPHONE = Path(__file__).parents[3] / "data" / "telephone.flac"


def transcript() -> Transcript:
    said = [Word("Hello?", 6.7, 7.1, 0.9, "Speaker 1"), Word("Costs $5 or $6.", 7.6, 8.3, 0.9, "Speaker 2")]
    return Transcript(segment(said, "en"), "en", 30.0, ("Speaker 1", "Speaker 2"), (), "Hello? Costs $5 or $6.")


def test_a_picture_is_written(tmp_path: Path) -> None:
    target = tmp_path / "new" / "call.png"

    plot(transcript(), TELEPHONE, target)

    assert target.read_bytes().startswith(b"\x89PNG")


def test_the_waveform_is_where_the_sound_is() -> None:
    lowest, highest = read_peaks(TELEPHONE, 30.0)

    assert (lowest <= 0).all()
    assert highest[500:].max() > 0.05


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    silent = tmp_path / "notes.txt"
    silent.write_text("no sound")

    with pytest.raises(PlotFailed):
        plot(transcript(), silent, tmp_path / "out.png")


def test_an_unknown_kind_of_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlotFailed):
        plot(transcript(), TELEPHONE, tmp_path / "out.picture")


def test_the_json_answer_reads_back_as_the_transcript() -> None:
    assert read_fields(fields(transcript())) == transcript()
