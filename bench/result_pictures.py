"""Pictures of what merge_results.py has read: a panel a device, over the even shapes of one geometry."""

from __future__ import annotations

from typing import Callable, NamedTuple

from merge_results import METHODS, SCORES, USUAL_GEOMETRY, Method, Platform, Shape, digits, narrow_methods, shapes_of
from svg_page import COLOURS, Svg

WIDTH, LEFT, GAP = 1080.0, 64.0, 72.0
STEP, PANEL_HEIGHT = 92.0, 300.0  # of a shape; of a panel
GRID, AXIS = 'stroke="#dddddd"', 'stroke="#333333" stroke-width="1.5"'
HEADING, NOTE = 'font-size="15" font-weight="bold" fill="#111111"', 'fill="#666666" font-size="12"'


class Series(NamedTuple):
    method: Method
    label: str
    kind: int  # colour and marker
    dashed: bool = False

    @property
    def colour(self) -> str:
        return COLOURS[self.kind % len(COLOURS)]


class Panel(NamedTuple):
    platform: Platform
    shapes: list[Shape]

    @property
    def width(self) -> float:
        return max(2, len(self.shapes)) * STEP

    @property
    def room(self) -> float:
        return max(self.width, 8.6 * len(self.platform.name))


class Scale(NamedTuple):
    """What is drawn of a result, and the lines behind it."""

    value: Callable[[Platform, Shape, Method], float | None]
    highest: float
    ticks: list[float]
    reference: float  # a line of its own
    reference_text: str
    text_below: float  # the line


def geometry_of(platforms: list[Platform]) -> str:
    found = [shape.geometry for p in platforms for shape, _ in p.results]
    return USUAL_GEOMETRY if USUAL_GEOMETRY in found else max(sorted(set(found)), key=found.count)


def panels_of(platforms: list[Platform], series: list[Series]) -> list[Panel]:
    """Those with anything to show, from few shapes to many."""
    panels = []
    for platform in platforms:
        geometry = geometry_of([platform])
        shapes = [s for s in shapes_of([platform]) if s.geometry == geometry and s.scenario == "even"]
        shapes = [s for s in shapes if any(platform.results.get((s, one.method)) for one in series)]
        if shapes:
            panels.append(Panel(platform, shapes))
    return sorted(panels, key=lambda panel: len(panel.shapes))


def draw_line(svg: Svg, panel: Panel, series: Series, scale: Scale, at: Callable[[int], float],
              y_of: Callable[[float], float]) -> None:
    points = []
    for i, shape in enumerate(panel.shapes):
        result, value = panel.platform.results.get((shape, series.method)), None
        if result:
            value = scale.value(panel.platform, shape, series.method)
        if result and value is not None:
            hint = f"{series.label}, {shape}: {digits(result.microseconds)} us, {result.efficiency:.2f} of {result.ceiling:.0f} GB/s"
            points.append((at(i), y_of(value), hint))
    dashes = ' stroke-dasharray="7 5"' if series.dashed else ""
    if len(points) > 1:
        svg.path([(x, y) for x, y, _ in points], f'stroke="{series.colour}" stroke-width="2.2"{dashes}')
    for x, y, hint in points:
        svg.marker(series.kind, x, y, series.colour, hint, hollow=series.dashed)


def draw_panel(svg: Svg, panel: Panel, series: list[Series], scale: Scale, left: float, top: float) -> None:
    bottom = top + PANEL_HEIGHT
    at = lambda i: left + (i + 0.5) * panel.width / len(panel.shapes)  # noqa: E731
    y_of = lambda value: bottom - value / scale.highest * PANEL_HEIGHT  # noqa: E731
    svg.text(left, top - 16, panel.platform.name, HEADING)
    for tick in scale.ticks:
        svg.line(left, y_of(tick), left + panel.width, y_of(tick), GRID)
        svg.text(left - 8, y_of(tick) + 4.5, f"{tick:g}", 'text-anchor="end"')
    svg.line(left, bottom, left + panel.width, bottom, AXIS)
    svg.line(left, y_of(scale.reference), left + panel.width, y_of(scale.reference), 'stroke="#111111" stroke-width="2"')
    right = left + panel.width
    svg.text(right, y_of(scale.reference) + scale.text_below, scale.reference_text, f'text-anchor="end" {NOTE}')
    for i, shape in enumerate(panel.shapes):
        svg.text(at(i), bottom + 19, shape.size, 'text-anchor="middle"')
        ceilings = [r.ceiling for s, _, r in panel.platform.measured() if s == shape]
        svg.text(at(i), bottom + 35, f"{max(ceilings):.0f} GB/s", f'text-anchor="middle" {NOTE}')
    for one in reversed(series):  # the first above the others
        draw_line(svg, panel, one, scale, at, y_of)


def legend(svg: Svg, series: list[Series], top: float) -> float:
    """Returns where it ends."""
    x = LEFT
    for one in series:
        needed = 58 + 7.2 * len(one.label)
        if x + needed > WIDTH:
            x, top = LEFT, top + 22
        dashes = ' stroke-dasharray="5 3"' if one.dashed else ""
        svg.line(x - 6, top - 4, x + 18, top - 4, f'stroke="{one.colour}" stroke-width="2.2"{dashes}')
        svg.marker(one.kind, x + 6, top - 4, one.colour, hollow=one.dashed)
        svg.text(x + 24, top, one.label)
        x += needed
    return top


def draw_panels(svg: Svg, panels: list[Panel], series: list[Series], scale: Scale, top: float) -> float:
    """Side by side, as many as fit; returns where they end."""
    left = LEFT
    for panel in panels:
        if left > LEFT and left + panel.room > WIDTH:
            left, top = LEFT, top + PANEL_HEIGHT + 100
        draw_panel(svg, panel, series, scale, left, top)
        left += panel.room + GAP
    return top + PANEL_HEIGHT + 40


def page(platforms: list[Platform], series: list[Series], scale: Scale, title: str, note: str) -> str:
    """Empty where there is nothing to show."""
    panels = panels_of(platforms, series)
    if not panels:
        return ""
    series = [one for one in series if any(p.platform.results.get((s, one.method)) for p in panels for s in p.shapes)]
    svg = Svg(WIDTH)
    svg.text(LEFT, 36, title, 'font-size="20" font-weight="bold" fill="#111111"')
    svg.text(LEFT, 58, note, NOTE)
    end = draw_panels(svg, panels, series, scale, legend(svg, series, 88) + 56)
    geometries = " or ".join(sorted({panel.shapes[0].geometry for panel in panels}))
    below = f"{geometries} (query heads/kv heads/dim), batch x keys; below: what the device can read, in the same run"
    svg.text(LEFT, end + 24, below, NOTE)
    return svg.page(end + 44, title)


def efficiency_picture(platforms: list[Platform]) -> str:
    """Parts of the ceiling that methods reach by full keys."""
    series = [Series(Method(name), name, kind) for kind, name in enumerate(METHODS)]
    ticks = [i / 5 for i in range(5)]
    scale = Scale(lambda p, s, m: p.efficiency(s, m), 1.06, ticks, 1.0, "ceiling", -6)
    title = "How much of what a device can read do methods reach?"
    return page(platforms, series, scale, title,
                "bytes that must be read / time / the streaming read of the same run; by the better of two layouts")  # fmt: skip


def narrow_picture(platforms: list[Platform]) -> str:
    """Speed of MassUnit by narrow copies of the keys."""
    stages = [scores for scores in SCORES if any(m.scores == scores for m in narrow_methods(platforms))]
    series = [Series(Method("mass-unit"), "full keys", 0)]
    for kind, scores in enumerate(stages, start=1):
        series.append(Series(Method("mass-unit", scores, True), f"{scores}, rescored", kind))
        series.append(Series(Method("mass-unit", scores), f"{scores} alone", kind, dashed=True))
    if not stages:
        return ""
    platforms = [p for p in platforms if any(method.scores in stages for _, method in p.results)]
    drawn = {one.method for one in series}
    highest = max([1.0, *(p.speedup(s, m) or 0.0 for p in platforms for s, m, _ in p.measured() if m in drawn)])
    scale = Scale(lambda p, s, m: p.speedup(s, m), highest * 1.08, [float(i) for i in range(int(highest) + 1)], 1.0,
                  "exact attention over full keys", 16)  # fmt: skip
    title = "How much faster is a step by narrow keys?"
    return page(platforms, series, scale, title,
                "mass-unit's speed-up over exact; scores by a narrow copy of the keys, or by it and again of the drawn rows")  # fmt: skip
