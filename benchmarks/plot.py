"""The ratios as a picture: an SVG of bars with whiskers, drawn as text, readable on light and dark pages.

Strategy: the axis is logarithmic, because 2x faster and 2x slower are equally far from level; bars start at level (1x), right of
it ours is faster. A whisker spans the rounds, a line across the bar is the target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.race import Ratio
from benchmarks.report import Result


_WIDTH, _LEFT, _RIGHT = 860, 250, 190
_LANE, _BAR, _HEADING, _TOP, _BOTTOM = 24, 12, 30, 64, 44
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_STYLE = """
  svg { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
  .page { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; } .grid { stroke: #d8dee4; }
  .level { stroke: #59636e; } .met { fill: #2f6fd0; } .missed { fill: #c2571a; } .plain { fill: #9aa4af; }
  .whisker { stroke: #1f2328; stroke-width: 1.5; } .target { stroke: #1f2328; stroke-width: 3; }
  .title { font-size: 16px; font-weight: 600; }
  .heading { font-weight: 600; } .small { font-size: 11.5px; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; } .grid { stroke: #2b3138; }
    .level { stroke: #9198a1; } .met { fill: #5a9cf2; } .missed { fill: #e88a4c; } .plain { fill: #6b747e; }
    .whisker { stroke: #e6edf3; } .target { stroke: #e6edf3; }
  }
"""


def draw(results: Sequence[Result], caption: str) -> str:
    """Return the SVG.

    Args:
        results: the rows; those without ratios are left out.
        caption: what it ran on.
    """
    shown = [result for result in results if result.ratios]
    ratios = [ratio for result in shown for ratio in result.ratios]
    axis = _Axis([value for ratio in ratios for value in (ratio.low, ratio.high, ratio.comparison.target or 1.0)])
    height = _TOP + sum(_HEADING + _LANE * len(result.ratios) for result in shown) + _BOTTOM
    bottom = height - _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>Time of each peer over the time of recordio_kit</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
        _text(16, 26, "Time of a peer over ours: right of 1x ours is faster", "title"),
        _text(16, 46, caption, "quiet small"),
    ]
    for tick in axis.ticks:
        x = axis.at(tick)
        parts.append(_line(x, _TOP, x, bottom, "level" if tick == 1 else "grid"))
        parts.append(_text(x, bottom + 18, f"{tick:g}x", "quiet small", "middle"))
    parts.append(
        _text(
            16,
            bottom + 36,
            "bar: median · whisker: all rounds · thick line: target · blue: reached · orange: missed · grey: no target",
            "quiet small",
        )
    )
    y = float(_TOP)
    for result in shown:
        parts.append(f'<rect class="page" y="{y + 3:.1f}" width="{_WIDTH}" height="{_HEADING - 6}"/>')  # no grid behind words
        parts.append(_text(16, y + 20, f"{result.row.title}: {result.amount}", "heading"))
        y += _HEADING
        for ratio in result.ratios:
            parts += _bar(axis, ratio, y)
            y += _LANE
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Axis:
    """Place ratios on the logarithmic axis."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min((1.0, *values)), max((1.0, *values))
        self._low = max((tick for tick in _TICKS if tick <= low), default=low)
        self._high = min((tick for tick in _TICKS if tick >= high), default=high)
        if self._low == self._high:
            self._high = 2 * self._low
        self.ticks = [tick for tick in _TICKS if self._low <= tick <= self._high]

    def at(self, ratio: float) -> float:
        """Return the horizontal place of a ratio."""
        share = math.log(ratio / self._low) / math.log(self._high / self._low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _bar(axis: _Axis, ratio: Ratio, y: float) -> list[str]:
    middle = y + _LANE / 2
    start, end = sorted((axis.at(1), axis.at(ratio.median)))
    kind = "plain" if ratio.met is None else "met" if ratio.met else "missed"
    words = f"{ratio.median:.2f}x"
    if ratio.comparison.target is not None:
        words += f"  (target {ratio.comparison.target:.3g}x)"
    parts = [
        _text(_LEFT - 12, middle + 4, ratio.comparison.label, "", "end"),
        f'<rect class="{kind}" x="{start:.1f}" y="{middle - _BAR / 2:.1f}" width="{max(end - start, 1):.1f}" height="{_BAR}"/>',
    ]
    if ratio.high > ratio.low:
        low, high = axis.at(ratio.low), axis.at(ratio.high)
        parts.append(_line(low, middle, high, middle, "whisker"))
        parts += [_line(x, middle - 4, x, middle + 4, "whisker") for x in (low, high)]
    if ratio.comparison.target is not None:
        target = axis.at(ratio.comparison.target)
        parts.append(_line(target, middle - 9, target, middle + 9, "target"))
    return [*parts, _text(_WIDTH - _RIGHT + 16, middle + 4, words, "quiet" if kind == "plain" else "")]


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
