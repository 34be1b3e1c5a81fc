#!/usr/bin/env python3
"""Merges results of santa_portability, one file a device and backend, into one table and one picture.

  santa_portability --json results/NAME.json            on each device
  bench/merge_results.py                                the table, of bench/results/*.json
  bench/merge_results.py --svg results.svg --output results.md
  bench/merge_results.py --predict "RTX 6000 Ada=960"   with a device that is not at hand

Efficiency is the part of a device's streaming-read ceiling that a method reaches, by the bytes that it must read. PP is
the performance portability of Pennycook, Sewall and Lee (2016): the harmonic mean of the efficiencies over all
platforms, 0 where one does not support the method ("microseconds": null), not known where one was not measured.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Callable, Iterable, Iterator, NamedTuple

# The part of its ceiling above which a row shows that the ceiling is none (CeilingCheck in ceiling.hpp).
MOST_OF_CEILING = 1.02
METHODS = ("exact", "mass-unit", "mass-unit-first", "systematic", "fixed-tile-budget")
# Told apart by people with any colour vision (Okabe and Ito), and by marker.
COLOURS = ("#0072b2", "#d55e00", "#cc79a7", "#009e73", "#e69f00", "#56b4e9", "#882255", "#000000")


class BadResults(Exception):
    """What is wrong with a file, for people."""


class Shape(NamedTuple):
    batch: int
    length: int
    heads: int
    kv_heads: int
    dim: int
    dtype: str
    sharpness: float
    scenario: str = "even"  # or how the requests of a batch differ in length, up to `length`

    @property
    def geometry(self) -> str:
        return f"{self.heads}/{self.kv_heads}/{self.dim}"

    @property
    def size(self) -> str:
        length = f"{self.length // 1024}k" if self.length % 1024 == 0 else str(self.length)
        return f"{self.batch} x {length}"

    @property
    def cache_bytes(self) -> int:
        return 2 * self.batch * self.length * self.kv_heads * self.dim * (4 if self.dtype == "f32" else 2)

    def __str__(self) -> str:
        usual = (self.dtype, self.sharpness) == ("bf16", 3.0)
        text = f"{self.geometry}, {self.size}" + ("" if usual else f", {self.dtype}, deviation {self.sharpness:g}")
        return text if self.scenario == "even" else f"{text}, {self.scenario}"


@dataclass
class Result:
    microseconds: float
    bytes_read: float
    ceiling: float  # GB/s
    efficiency: float
    speedup: float


@dataclass
class Platform:
    name: str
    date: str
    source: str
    results: dict[tuple[Shape, str], Result | None] = field(default_factory=dict)  # None: not supported
    predicted: bool = False

    def has(self, shape: Shape) -> bool:
        return any(known == shape for known, _ in self.results)

    def measured(self) -> Iterator[tuple[Shape, str, Result]]:
        for (shape, method), result in self.results.items():
            if result:
                yield shape, method, result

    def efficiency(self, shape: Shape, method: str) -> float | None:
        """0 where the method is not supported, None where it was not measured."""
        if (shape, method) not in self.results:
            return None
        result = self.results[shape, method]
        return result.efficiency if result else 0.0


def performance_portability(efficiencies: Iterable[float | None]) -> float | None:
    """|H| / sum of 1 / e over the platforms H; 0 where one is 0 (unsupported), None where one is not known."""
    values = []
    for value in efficiencies:
        if value is None:
            return None
        values.append(value)
    if not values:
        return None
    return len(values) / sum(1.0 / value for value in values) if min(values) > 0.0 else 0.0


def get(record: object, name: str, kind: type | tuple[type, ...], where: str) -> object:
    if not isinstance(record, dict):
        raise BadResults(f"{where}: expected an object")
    if name not in record:
        raise BadResults(f'{where}: no "{name}"')
    value = record[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadResults(f'{where}: "{name}" is {value!r}')
    return value


def number(record: object, name: str, where: str, least: float = 0.0) -> float:
    value = float(get(record, name, (int, float), where))  # type: ignore[arg-type]
    if not math.isfinite(value) or value <= least:
        raise BadResults(f'{where}: "{name}" is {value:g}; accepted: finite numbers above {least:g}')
    return value


def whole(record: object, name: str, where: str) -> int:
    value = get(record, name, int, where)
    if value < 1:  # type: ignore[operator]
        raise BadResults(f'{where}: "{name}" is {value}; accepted: 1 or more')
    return value  # type: ignore[return-value]


def read_result(record: object, where: str) -> tuple[Shape, str, Result | None]:
    method = str(get(record, "method", str, where))
    dtype = str(get(record, "dtype", str, where))
    stage = str(get(record, "score_stage", str, where))
    if stage != dtype:
        method += f", {stage} scores"
    if isinstance(record, dict) and record.get("rescored", False):
        method += ", rescored"
    if isinstance(record, dict) and record.get("layout", "token-major") != "token-major":
        method += f", {record['layout']}"
    sharpness = number(record, "sharpness", where) if "sharpness" in record else 3.0  # type: ignore[operator]
    extents = [whole(record, name, where) for name in ("batch", "length", "heads", "kv_heads", "dim")]
    scenario = str(get(record, "scenario", str, where)) if "scenario" in record else "even"  # type: ignore[operator]
    shape = Shape(*extents, dtype, sharpness, scenario)
    if isinstance(record, dict) and "microseconds" in record and record["microseconds"] is None:
        return shape, method, None
    result = Result(
        number(record, "microseconds", where),
        number(record, "bytes_read", where),
        number(record, "ceiling_gb_s", where),
        number(record, "ceiling_fraction", where),
        number(record, "speedup_over_exact", where),
    )
    # Numbers of a few digits each; what was copied from elsewhere is further off.
    expected = result.bytes_read / result.microseconds * 1e-3 / result.ceiling
    if abs(result.efficiency - expected) > 0.02 * expected + 1e-4:
        raise BadResults(
            f'{where}: "ceiling_fraction" is {result.efficiency:g}, but bytes, time and ceiling give {expected:.4f}'
        )
    if result.efficiency > MOST_OF_CEILING:
        raise BadResults(
            f'{where}: {method} at {shape}: "ceiling_fraction" is {result.efficiency:g}; accepted: up to '
            f"{MOST_OF_CEILING:g}: no reader was fast enough, or a cache held the data"
        )
    return shape, method, result


def read_platform(path: Path) -> Platform:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadResults(f"{path}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadResults(f"{path}: not JSON: {error}") from error
    where = str(path)
    device, backend, date = (str(get(data, name, str, where)) for name in ("device", "backend", "date"))
    platform = Platform(f"{device}, {backend}", date, where)
    for i, record in enumerate(get(data, "results", list, where)):  # type: ignore[arg-type, var-annotated]
        place = f"{where}: results[{i}]"
        shape, method, result = read_result(record, place)
        if (shape, method) in platform.results:
            raise BadResults(f"{place}: {method} at {shape} for the second time")
        platform.results[shape, method] = result
    if not platform.results:
        raise BadResults(f"{where}: no results")
    return platform


def read_platforms(paths: list[Path]) -> list[Platform]:
    platforms: list[Platform] = []
    for path in paths:
        platform = read_platform(path)
        for other in platforms:
            if other.name == platform.name:
                both = f"{other.source} and {path} are both of {platform.name}"
                raise BadResults(f"{both}: one file a device and backend")
        platforms.append(platform)
    return platforms


def predict(text: str, platforms: list[Platform], source_name: str | None) -> Platform:
    """Times of a device from its bandwidth, with the efficiencies of one that was measured."""
    name, sign, bandwidth_text = text.rpartition("=")
    try:
        bandwidth = float(bandwidth_text)
    except ValueError:
        bandwidth = math.nan
    if not sign or not name or not (0.0 < bandwidth < math.inf):
        raise BadResults(f"--predict {text}: expected NAME=GB/s")
    wanted = [p for p in platforms if (source_name in p.name if source_name is not None else "Cuda" in p.name)]
    if len(wanted) != 1:
        names = "; ".join(p.name for p in platforms)
        raise BadResults(f"--predict needs one platform to go by: name it with --predict-from. There are: {names}")
    source = wanted[0]
    result = Platform(f"{name} at {bandwidth:g} GB/s: a prediction", "", source.name, predicted=True)
    for shape, method, r in source.measured():
        microseconds = r.bytes_read * 1e-3 / (bandwidth * r.efficiency)
        result.results[shape, method] = Result(microseconds, r.bytes_read, bandwidth, r.efficiency, r.speedup)
    return result


def order(shape: Shape) -> tuple[object, ...]:
    usual = shape.geometry != "32/8/128"
    return (shape.scenario != "even", shape.scenario, usual, shape.dim, shape.heads, shape.kv_heads, shape.cache_bytes, shape.batch, shape.dtype, shape.sharpness)


def shapes_of(platforms: list[Platform]) -> list[Shape]:
    return sorted({shape for p in platforms for shape, _ in p.results}, key=order)


def base_of(method: str) -> str:
    """The method without what its name adds: another layout, other scores."""
    return method.split(",")[0]


def style_of(method: str, methods: list[str]) -> tuple[int, str, bool]:
    """Marker, colour, and whether lines are dashed: variants look like their method."""
    bases = list(dict.fromkeys(base_of(m) for m in methods))
    kind = bases.index(base_of(method))
    return kind, COLOURS[kind % len(COLOURS)], base_of(method) != method


def methods_of(platforms: list[Platform]) -> list[str]:
    found = {method for p in platforms for _, method in p.results}
    known = {name: place for place, name in enumerate(METHODS)}
    return sorted(found, key=lambda m: (base_of(m) != m, known.get(base_of(m), len(known)), m))


def common_shapes(platforms: list[Platform]) -> list[Shape]:
    return [shape for shape in shapes_of(platforms) if all(p.has(shape) for p in platforms)]


def score_text(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


def shared_text(shapes: list[Shape]) -> str:
    how_many = "the one shape" if len(shapes) == 1 else f"{len(shapes)} shapes"
    return f"{how_many} that all platforms have"


def digits(value: float) -> str:
    return f"{value:.0f}" if value >= 999.5 else f"{value:.3g}"


def write_table(platforms: list[Platform], predictions: list[Platform]) -> str:
    methods = methods_of(platforms)
    lines = [
        "Microseconds a step (part of the streaming-read ceiling; speed-up over exact).",
        "**PP**: harmonic mean of the parts of the ceiling over the platforms, for what was measured on all of them.",
        "",
    ]
    for p in platforms:
        lines.append(f"- {p.name}: {p.date}, {Path(p.source).name}")
    for p in predictions:
        lines.append(
            f"- *{p.name}*, not measured: bytes / bandwidth / part of the ceiling that {p.source} reaches. It takes "
            "for granted that the same part is reached, and counts on no cache."
        )
    lines += ["", "| heads/kv/dim, batch x length | platform | " + " | ".join(methods) + " |"]
    lines.append("|" + "---|" * (len(methods) + 2))
    for shape in shapes_of(platforms):
        label = str(shape)
        for p in platforms + predictions:
            if not p.has(shape):
                continue
            cells = []
            for method in methods:
                r = p.results.get((shape, method))
                cell = "not supported" if (shape, method) in p.results else "-"
                if r:
                    cell = f"{digits(r.microseconds)} ({r.efficiency:.2f}; {r.speedup:.2f}x)"
                cells.append(f"*{cell}*" if p.predicted and r else cell)
            name = f"*{p.name}*" if p.predicted else p.name
            lines.append(f"| {label} | {name} | " + " | ".join(cells) + " |")
            label = ""
        if len(platforms) > 1:
            scores = [performance_portability(p.efficiency(shape, m) for p in platforms) for m in methods]
            if any(score is not None for score in scores):
                lines.append("| | **PP** | " + " | ".join(f"**{score_text(s)}**" for s in scores) + " |")
    shared = common_shapes(platforms)
    if len(platforms) > 1 and shared:
        scores = [overall(platforms, shared, m) for m in methods]
        lines.append(
            f"| {shared_text(shared)} | **PP** | " + " | ".join(f"**{score_text(s)}**" for s in scores) + " |"
        )
    return "\n".join(lines) + "\n"


def overall(platforms: list[Platform], shapes: list[Shape], method: str) -> float | None:
    return performance_portability(p.efficiency(shape, method) for p in platforms for shape in shapes)


class Svg:
    """A page that grows downwards."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.parts: list[str] = []

    def text(self, x: float, y: float, what: str, attributes: str = "") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(what)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, attributes: str) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {attributes}/>')

    def rect(self, x: float, y: float, width: float, height: float, attributes: str) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {attributes}/>')

    def path(self, points: list[tuple[float, float]], attributes: str) -> None:
        where = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.parts.append(f'<path d="M{where}" fill="none" {attributes}/>')

    def marker(self, kind: int, x: float, y: float, colour: str, title: str = "", small: bool = False) -> None:
        r = 3.0 if small else 4.6
        paint = f'fill="{colour}" stroke="#ffffff"'
        if small:
            paint = f'fill="#ffffff" fill-opacity="0.6" stroke="{colour}" stroke-opacity="0.75"'
        corners = (
            None,
            ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
            ((0, -1.2), (1.15, 0.8), (-1.15, 0.8)),
            ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
            ((0, 1.2), (1.15, -0.8), (-1.15, -0.8)),
        )[kind % 5]
        hint = f"<title>{escape(title)}</title>" if title else ""
        if corners is None:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" {paint}>{hint}</circle>')
        else:
            points = " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in corners)
            self.parts.append(f'<polygon points="{points}" {paint}>{hint}</polygon>')

    def page(self, height: float, title: str) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {height:.0f}" '
            f'width="{self.width:.0f}" height="{height:.0f}" '
            "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"#333333\">\n"
            f"<title>{escape(title)}</title>\n"
            '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )


LEFT, RIGHT, GAP = 64.0, 28.0, 56.0
PANEL_HEIGHT = 270.0
GRID, FAINT, AXIS = 'stroke="#d8d8d8"', 'stroke="#f0f0f0"', 'stroke="#333333" stroke-width="1.5"'
ROOF = 'stroke="#333333" stroke-width="2"'
HEADING, NOTE = 'font-size="15" font-weight="bold" fill="#111111"', 'fill="#666666" font-size="12"'


def letter(i: int) -> str:
    return chr(ord("A") + i)


def megabytes(value: float) -> str:
    return f"{value / 1000:g} GB" if value >= 1000 else f"{value:g} MB"


def draw_panel(svg: Svg, platform: Platform, methods: list[str], x_of: Callable[[float], float], ticks: list[float],
               left: float, width: float, top: float) -> None:
    """Efficiency of a platform's methods over the size of the cache, under the roof."""
    highest = max([1.0] + [r.efficiency for _, _, r in platform.measured()]) * 1.04
    bottom = top + PANEL_HEIGHT
    at = lambda mb: left + x_of(mb) * width  # noqa: E731
    y_of = lambda e: bottom - e / highest * PANEL_HEIGHT  # noqa: E731
    ceilings = sorted(r.ceiling for _, _, r in platform.measured()) or [0.0]
    svg.text(left, top - 28, platform.name, HEADING)
    low, high = f"{ceilings[0]:.0f}", f"{ceilings[-1]:.0f}"
    reads = low if low == high else f"{low} to {high}"
    roof = f"roof: {reads} GB/s, each shape's own read of its cache"
    svg.text(left, top - 10, roof, NOTE)
    for step in range(0, 6):
        svg.line(left, y_of(step / 5), left + width, y_of(step / 5), GRID)
        svg.text(left - 8, y_of(step / 5) + 4.5, f"{step / 5:.1f}", 'text-anchor="end"')
    few = len(ticks) * 62 <= width  # room for all labels
    for tick in ticks:
        strong = few or f"{tick:e}"[0] == "1"
        svg.line(at(tick), top, at(tick), bottom, GRID if strong else FAINT)
        if strong:
            svg.text(at(tick), bottom + 19, megabytes(tick), 'text-anchor="middle"')
    svg.line(left, bottom, left + width, bottom, AXIS)
    svg.line(left, top, left, bottom, AXIS)
    svg.line(left, y_of(1.0), left + width, y_of(1.0), ROOF)
    main = main_geometry(platform)
    for method in methods:
        kind, colour, dashed = style_of(method, methods)
        by_size: dict[float, list[float]] = {}
        marks = []
        for shape, name, r in sorted(platform.measured(), key=lambda item: order(item[0])):
            if name != method:
                continue
            mb = shape.cache_bytes * 1e-6
            hint = f"{method}, {shape}: {digits(r.microseconds)} us, {r.efficiency:.2f} of {r.ceiling:.0f} GB/s"
            marks.append((kind, at(mb), y_of(r.efficiency), colour, hint, shape.geometry != main))
            if shape.geometry == main:
                by_size.setdefault(mb, []).append(r.efficiency)
        line = [(at(mb), y_of(sum(e) / len(e))) for mb, e in sorted(by_size.items())]
        if line:
            dashes = ' stroke-dasharray="7 5"' if dashed else ""
            svg.path(line, f'stroke="{colour}" stroke-width="2.2" stroke-linejoin="round"{dashes}')
        for mark in sorted(marks, key=lambda m: not m[5]):  # small ones below
            svg.marker(*mark)


def main_geometry(platform: Platform) -> str:
    found = [shape.geometry for shape, _ in platform.results]
    return "32/8/128" if "32/8/128" in found else max(sorted(set(found)), key=found.count)


def draw_portability(svg: Svg, platforms: list[Platform], methods: list[str], top: float) -> float:
    """Bars of PP over the common shapes, with each platform's own mean; returns where it ends."""
    shared = common_shapes(platforms)
    left, right = LEFT + 12.0 + 6.6 * max(len(m) for m in methods), svg.width - 110.0
    svg.text(LEFT, top, f"Performance portability PP: harmonic mean over {shared_text(shared)}", HEADING)
    if not shared:
        svg.text(LEFT, top + 22, "No shape was measured on all platforms.", 'fill="#666666"')
        return top + 40
    svg.text(LEFT, top + 18, "bars: over all platforms; ticks: each platform by itself", NOTE)
    top += 34
    x_of = lambda e: left + e * (right - left)  # noqa: E731
    bottom = top + 30 * len(methods)
    for step in range(0, 6):
        svg.line(x_of(step / 5), top, x_of(step / 5), bottom, GRID if step < 5 else ROOF)
        svg.text(x_of(step / 5), bottom + 18, f"{step / 5:.1f}", 'text-anchor="middle"')
    for kind, method in enumerate(methods):
        y = top + 30 * kind + 6
        score = overall(platforms, shared, method)
        svg.text(left - 10, y + 14, method, 'text-anchor="end"')
        _, colour, variant = style_of(method, methods)
        paint = f'fill="{colour}" fill-opacity="{0.45 if variant else 0.8}"'
        svg.rect(left, y, (score or 0.0) * (right - left), 18, paint)
        for number_of, p in enumerate(platforms):
            own = performance_portability(p.efficiency(shape, method) for shape in shared)
            if own is None:
                continue
            svg.line(x_of(own), y - 3, x_of(own), y + 21, 'stroke="#111111" stroke-width="2"')
            svg.text(x_of(own) + 4, y + 7, letter(number_of), 'font-size="11"')
        svg.text(right + 16, y + 14, "not known" if score is None else f"{score:.2f}", 'font-weight="bold"')
    svg.text(left, bottom + 40, ";  ".join(f"{letter(i)}: {p.name}" for i, p in enumerate(platforms)), NOTE)
    return bottom + 52


def with_even_batches(platform: Platform) -> Platform:
    """Without those whose requests differ in length: what they read is not told by the size of their cache."""
    return replace(platform, results={key: r for key, r in platform.results.items() if key[0].scenario == "even"})


def write_svg(platforms: list[Platform]) -> str:
    platforms = [p for p in map(with_even_batches, platforms) if p.results]
    if not platforms:
        raise BadResults("--svg: no results of batches whose requests have one length")
    methods = methods_of(platforms)
    columns = min(2, len(platforms))
    svg = Svg(1080.0 if columns == 2 else 640.0)
    title = "How much of what a device can read do methods reach?"
    svg.text(LEFT, 36, title, 'font-size="20" font-weight="bold" fill="#111111"')
    svg.text(LEFT, 58, "part of the streaming-read ceiling, by the bytes that a method must read", 'fill="#666666"')
    x = LEFT
    row = 84.0
    for method in methods:
        kind, colour, dashed = style_of(method, methods)
        if x + 24 + 7.2 * len(method) > svg.width - RIGHT:
            x, row = LEFT, row + 20
        dashes = ' stroke-dasharray="5 3"' if dashed else ""
        svg.line(x - 6, row - 4, x + 16, row - 4, f'stroke="{colour}" stroke-width="2"{dashes}')
        svg.marker(kind, x + 5, row - 4, colour)
        svg.text(x + 21, row, method)
        x += 46 + 7.2 * len(method)
    geometries = sorted({s.geometry for s in shapes_of(platforms)})
    if len(geometries) > 1:
        mains = " or ".join(sorted({main_geometry(p) for p in platforms}))
        others = ", ".join(g for g in geometries if g not in mains)
        row += 20
        svg.text(LEFT, row, f"lines: {mains} (heads/kv heads/dim); small marks: {others}", NOTE)
    sizes = [shape.cache_bytes * 1e-6 for shape in shapes_of(platforms)]
    low, high = math.log10(min(sizes) * 0.8), math.log10(max(sizes) * 1.25)
    x_of = lambda mb: (math.log10(mb) - low) / (high - low)  # noqa: E731
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks = [m * 10.0**d for d in decades for m in (1, 2, 5) if 0 <= x_of(m * 10.0**d) <= 1]
    width = (svg.width - LEFT - RIGHT - GAP * (columns - 1)) / columns
    top = row + 62
    for i, platform in enumerate(platforms):
        left = LEFT + (i % columns) * (width + GAP)
        draw_panel(svg, platform, methods, x_of, ticks, left, width, top)
        if i % columns == columns - 1 or i == len(platforms) - 1:
            svg.text(svg.width / 2, top + PANEL_HEIGHT + 44, "keys and values of a step", 'text-anchor="middle"')
            top += PANEL_HEIGHT + 110
    if len(platforms) > 1:
        top = draw_portability(svg, platforms, methods, top - 22)
    return svg.page(top, title)


def write(path: str, text: str) -> None:
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadResults(f"can't write {path}: {error.strerror}") from error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="results (bench/results/*.json)")
    parser.add_argument("--output", default="-", metavar="FILE", help="where the Markdown table goes (standard output)")
    parser.add_argument("--svg", metavar="FILE", help="where the picture goes")
    parser.add_argument(
        "--predict", action="append", default=[], metavar="NAME=GB/s",
        help="adds a device's times, from its bandwidth and a measured device's part of the ceiling; marked, not in PP",
    )  # fmt: skip
    parser.add_argument("--predict-from", metavar="PART", help="part of that device's name (the only one with CUDA)")
    options = parser.parse_args(arguments)
    try:
        results = (Path(__file__).resolve().parent / "results").glob("*.json")
        files = options.files or sorted(path for path in results if path.name != "compile.json")  # compile_cost.py's
        if not files:
            raise BadResults("no files of results")
        platforms = read_platforms(files)
        predictions = [predict(text, platforms, options.predict_from) for text in options.predict]
        write(options.output, write_table(platforms, predictions))
        if options.svg:
            write(options.svg, write_svg(platforms))
    except BadResults as error:
        print(f"merge_results.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
