"""The results as a picture: bars side by side, drawn as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.figures import FASTER, SERVICE, Result

WIDTH, NAMES, LONGEST = 760, 250, 400  # pixels: the picture, the names beside the bars, the longest bar
BAR, GAP, TITLE = 18, 6, 40  # pixels: a bar's height, the space below it, a panel's title with the space above
OURS, THEIRS = "#2f6f4f", "#9fb0c6"


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    value: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Panel:
    title: str  # with the unit, and whether more or less is better
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return TITLE + len(self.bars) * (BAR + GAP)


def panels(results: Mapping[str, Result]) -> list[Panel]:
    """What the results can show, beside others where others were measured."""
    return [panel for name, draw in PANELS.items() if name in results for panel in draw(results[name])]


def draw(shown: Sequence[Panel]) -> str:
    """An SVG image of the panels, one below the other."""
    lines: list[str] = []
    top = 0
    for panel in shown:
        lines += _drawn(panel, top)
        top += panel.height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + GAP}" font-size="13" '
    head += 'font-family="Helvetica, Arial, sans-serif">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{top + GAP}" fill="#ffffff"/>', *lines, "</svg>"]) + "\n"


def _drawn(panel: Panel, top: int) -> Iterator[str]:
    yield f'<text x="10" y="{top + 28}" font-weight="bold">{escape(panel.title)}</text>'
    most = max(bar.value for bar in panel.bars)
    for number, bar in enumerate(panel.bars):
        y = top + TITLE + number * (BAR + GAP)
        length = LONGEST * bar.value / most
        yield f'<text x="{NAMES - 8}" y="{y + 14}" text-anchor="end">{escape(bar.name)}</text>'
        colour = OURS if bar.ours else THEIRS
        yield f'<rect x="{NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
        yield f'<text x="{NAMES + length + 6:.1f}" y="{y + 14}">{bar.value:.3g}</text>'


def _speed(result: Result) -> Iterator[Panel]:
    kind = result.table("Clips" if result.name.endswith("clips") else "Files")["title"]
    systems = (SERVICE, FASTER, "whisper.cpp f16, words")
    found = {row[0]: row[3] for row in result.rows(kind)}
    bars = [Bar(name, found[name], name == SERVICE) for name in systems if name in found]
    yield Panel(f"{kind.split(',')[0]}, word times on: times real time (more is better)", bars)


def _speakers(result: Result) -> Iterator[Panel]:
    bars = [
        Bar(f"{row[0]}, {row[1]}", float(row[2]), row[1] == "this project")
        for row in result.rows("Diarization")
        if row[0] in ("all", "held out") and row[1] in ("this project", "pyannote.audio 4")
    ]
    yield Panel("Who speaks when: diarization error rate, % (less is better)", bars)


def _live(result: Result) -> Iterator[Panel]:
    lag = result.table("Lag by sessions at once")
    for column, title in (("first partial p50", "first words"), ("word final p50", "final words")):
        at = lag["columns"].index(column)
        bars = [Bar(f"{row[0]}, {row[1]} at once", float(row[at]), row[0] == "this service") for row in lag["rows"]]
        yield Panel(f"Live: median seconds to {title} (less is better)", bars)


def _processors(result: Result) -> Iterator[Panel]:
    table = result.table("A recording")
    for row in table["rows"]:
        parts = zip(table["columns"][1:5], row[1:5], strict=True)
        bars = [Bar(name, float(str(part).split()[0]), True) for name, part in parts]
        yield Panel(f"Processor seconds of a recording, {row[0]}", bars)


PANELS = {
    "throughput-files": _speed,
    "throughput-clips": _speed,
    "diarization": _speakers,
    "streaming": _live,
    "profile": _processors,
}
