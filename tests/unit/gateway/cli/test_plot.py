from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.fonts import choose_fonts, visible
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


@pytest.mark.parametrize("kind", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("text", ["Привет, мир.", "難しそうですね。一部では", "\u200bशब्द\u200d", "🙂 \ue000"])
@pytest.mark.filterwarnings("error")
def test_a_text_in_any_script_is_drawn_or_left_out_with_one_line(tmp_path: Path, text: str, kind: str) -> None:
    said = Transcript(segment([Word(text, 0.0, 1.0, 0.9)], "ja"), "ja", 30.0, (), (), text)
    target = tmp_path / f"call{kind}"

    lacks = plot(said, TELEPHONE, target, title=text)

    assert target.stat().st_size > 1000
    assert len(lacks) <= 1
    assert (lacks == []) == (not choose_fonts([visible(text)]).missing)


def test_the_title_and_the_minutes_are_in_the_picture(tmp_path: Path) -> None:
    target = tmp_path / "call.svg"

    plot(replace(transcript(), duration=330.0), TELEPHONE, target, title="weekly.mp3 $5")

    comments = target.read_text()
    assert "<!-- weekly.mp3 $5 -->" in comments.replace("\\$", "$")
    assert "<!-- 0:30 -->" in comments and "<!-- 5:00 -->" in comments


def test_fonts_are_found_for_what_matplotlib_brings_and_never_for_what_nobody_has() -> None:
    fonts = choose_fonts(["Größe, Привет", "\ue000"])

    assert fonts.families[:2] == ("DejaVu Sans Mono", "DejaVu Sans")
    assert fonts.missing == {"\ue000"}
    assert fonts.draws("Привет") and not fonts.draws("\ue000")


def test_what_has_no_shape_needs_no_font() -> None:
    assert visible("a\u200bb\u202ec\x00") == "abc"
