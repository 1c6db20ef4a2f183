"""The reliability curve as a picture: share of right words over confidence, before and after calibration."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reliability import Bin

SIDE, LEFT, TOP, WIDTH, HEIGHT = 300, 60, 20, 560, 370  # pixels
STYLE = """
    .axis { stroke: #44546a; stroke-width: 1.2; fill: none }
    .grid { stroke: #dfe5ec; stroke-width: 1 }
    .ideal { stroke: #9fb0c6; stroke-width: 1.5; stroke-dasharray: 5 4 }
    .before { stroke: #b4532a; fill: #b4532a }
    .after { stroke: #2e6f9e; fill: #2e6f9e }
    .line { fill: none; stroke-width: 1.8 }
    .small { font-size: 11px; fill: #44546a }
"""
SERIES = (("before", "mean token probability"), ("after", "calibrated"))


def draw_curve(before: Sequence[Bin], after: Sequence[Bin]) -> str:
    """An SVG. The area of a point grows with its words."""
    most = max(each.words for each in (*before, *after))
    curves = [_curve(name, points, most) for (name, _), points in zip(SERIES, (before, after), strict=True)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="Helvetica, Arial, sans-serif" font-size="13">',
            f"  <style>{STYLE}  </style>",
            f'  <rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *_axes(),
            *curves,
            *_legend(),
            "</svg>",
            "",
        ]
    )


def _x(value: float) -> float:
    return round(LEFT + value * SIDE, 1)


def _y(value: float) -> float:
    return round(TOP + (1 - value) * SIDE, 1)


def _axes() -> list[str]:
    lines = []
    for tenth in range(0, 11, 2):
        value = tenth / 10
        lines += [
            f'  <path class="grid" d="M{_x(value)} {_y(0)}V{_y(1)}M{_x(0)} {_y(value)}H{_x(1)}"/>',
            f'  <text class="small" x="{_x(value)}" y="{_y(0) + 16}" text-anchor="middle">{value:.1f}</text>',
            f'  <text class="small" x="{_x(0) - 6}" y="{_y(value) + 4}" text-anchor="end">{value:.1f}</text>',
        ]
    return [
        *lines,
        f'  <path class="axis" d="M{_x(0)} {_y(1)}V{_y(0)}H{_x(1)}"/>',
        f'  <path class="ideal" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>',
        f'  <text x="{_x(0.5)}" y="{_y(0) + 36}" text-anchor="middle">confidence</text>',
        f'  <text transform="translate({_x(0) - 38} {_y(0.5)}) rotate(-90)" text-anchor="middle">'
        "share of right words</text>",
    ]


def _curve(name: str, points: Sequence[Bin], most: int) -> str:
    line = "L".join(f"{_x(each.confidence)} {_y(each.right)}" for each in points)
    dots = "".join(
        f'<circle class="{name}" cx="{_x(each.confidence)}" cy="{_y(each.right)}" '
        f'r="{2.5 + 6 * (each.words / most) ** 0.5:.1f}"><title>{each.words} words</title></circle>'
        for each in points
    )
    return f'  <path class="{name} line" d="M{line}"/>{dots}'


def _legend() -> list[str]:
    return [
        f'  <circle class="{name}" cx="{_x(1) + 28}" cy="{_y(0.92) + 22 * at}" r="5"/>'
        f'<text x="{_x(1) + 40}" y="{_y(0.92) + 22 * at + 4}">{title}</text>'
        for at, (name, title) in enumerate(SERIES)
    ]
