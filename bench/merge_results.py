#!/usr/bin/env python3
"""Merges results of santa_portability, one file a device and backend (and number of threads), into tables and pictures.

  santa_portability --json results/NAME.json            on each device
  bench/merge_results.py                                the tables, of bench/results/*.json
  bench/merge_results.py --svg efficiency.svg --narrow-svg narrow.svg --output results.md
  bench/merge_results.py --predict "RTX 6000 Ada=960"   with a device that is not at hand

Efficiency is the part of a device's streaming-read ceiling that a method reaches, by the bytes that it must read. PP is
the performance portability of Pennycook, Sewall and Lee (2016): the harmonic mean of the efficiencies over all
platforms, 0 where one does not support the method ("microseconds": null), not known where one was not measured. Of the
two layouts of a cache, the one counts by which a method is faster.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

# The part of its ceiling above which a row shows that the ceiling is none (CeilingCheck in ceiling.hpp).
MOST_OF_CEILING = 1.02
METHODS = ("exact", "mass-unit", "mass-unit-first", "systematic", "fixed-tile-budget")
SCORES = ("int8", "fp8", "int4")
USUAL_GEOMETRY = "32/8/128"


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


class Method(NamedTuple):
    name: str
    scores: str = ""  # what scores are made from, where that is not the full keys
    rescored: bool = False

    def __str__(self) -> str:
        text = f"{self.name}, {self.scores} scores" if self.scores else self.name
        return f"{text}, rescored" if self.rescored else text


@dataclass
class Result:
    microseconds: float
    bytes_read: float
    ceiling: float  # GB/s
    efficiency: float
    head_major: bool = False


@dataclass
class Platform:
    """Results of a device, each by the layout of the cache by which it is faster."""

    name: str
    date: str
    source: str
    results: dict[tuple[Shape, Method], Result | None] = field(default_factory=dict)  # None: not supported
    predicted: bool = False

    def has(self, shape: Shape, method: Method) -> bool:
        return (shape, method) in self.results

    def measured(self) -> Iterator[tuple[Shape, Method, Result]]:
        for (shape, method), result in self.results.items():
            if result:
                yield shape, method, result

    def efficiency(self, shape: Shape, method: Method) -> float | None:
        """0 where the method is not supported, None where it was not measured."""
        if (shape, method) not in self.results:
            return None
        result = self.results[shape, method]
        return result.efficiency if result else 0.0

    def speedup(self, shape: Shape, method: Method) -> float | None:
        """Over Exact by full keys; None where either is not known."""
        exact, result = self.results.get((shape, Method("exact"))), self.results.get((shape, method))
        return exact.microseconds / result.microseconds if exact and result else None


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


def read_method(record: object, dtype: str, where: str) -> Method:
    scores = str(get(record, "score_stage", str, where))
    rescored = isinstance(record, dict) and bool(record.get("rescored", False))
    return Method(str(get(record, "method", str, where)), "" if scores == dtype else scores, rescored)


def read_result(record: object, where: str) -> tuple[Shape, Method, str, Result | None]:
    """With the layout of the cache."""
    dtype = str(get(record, "dtype", str, where))
    method = read_method(record, dtype, where)
    layout = str(get(record, "layout", str, where)) if "layout" in record else "token-major"  # type: ignore[operator]
    sharpness = number(record, "sharpness", where) if "sharpness" in record else 3.0  # type: ignore[operator]
    extents = [whole(record, name, where) for name in ("batch", "length", "heads", "kv_heads", "dim")]
    scenario = str(get(record, "scenario", str, where)) if "scenario" in record else "even"  # type: ignore[operator]
    shape = Shape(*extents, dtype, sharpness, scenario)
    if isinstance(record, dict) and "microseconds" in record and record["microseconds"] is None:
        return shape, method, layout, None
    result = Result(
        number(record, "microseconds", where),
        number(record, "bytes_read", where),
        number(record, "ceiling_gb_s", where),
        number(record, "ceiling_fraction", where),
        layout == "head-major",
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
    return shape, method, layout, result


def read_platform(path: Path) -> Platform:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadResults(f"{path}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadResults(f"{path}: not JSON: {error}") from error
    where = str(path)
    device, backend, date = (str(get(data, name, str, where)) for name in ("device", "backend", "date"))
    name = f"{device}, {backend}"
    if "threads" in data:
        threads = whole(data, "threads", where)
        name += f", {threads} thread" + ("s" if threads > 1 else "")
    platform = Platform(name, date, where)
    seen = set()
    for i, record in enumerate(get(data, "results", list, where)):  # type: ignore[arg-type, var-annotated]
        place = f"{where}: results[{i}]"
        shape, method, layout, result = read_result(record, place)
        if (shape, method, layout) in seen:
            raise BadResults(f"{place}: {method} at {shape} for the second time")
        seen.add((shape, method, layout))
        other = platform.results.get((shape, method))
        if other is None or (result and result.microseconds < other.microseconds):
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
                raise BadResults(f"{both}: one file a device, backend and number of threads")
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
        result.results[shape, method] = Result(microseconds, r.bytes_read, bandwidth, r.efficiency, r.head_major)
    return result


def order(shape: Shape) -> tuple[object, ...]:
    usual = shape.geometry != USUAL_GEOMETRY
    geometry = (usual, shape.dim, shape.heads, shape.kv_heads)
    return (shape.scenario != "even", shape.scenario, *geometry, shape.cache_bytes, shape.batch, shape.dtype, shape.sharpness)


def shapes_of(platforms: list[Platform]) -> list[Shape]:
    return sorted({shape for p in platforms for shape, _ in p.results}, key=order)


def narrow_methods(platforms: list[Platform]) -> list[Method]:
    """MassUnit by other scores than those of full keys: by what they are made from, rescored ones behind."""
    order_of = {name: place for place, name in enumerate(SCORES)}
    found = {m for p in platforms for _, m in p.results if m.name == "mass-unit" and m.scores}
    return sorted(found, key=lambda m: (order_of.get(m.scores, len(order_of)), m.scores, m.rescored))


def common_shapes(platforms: list[Platform]) -> list[Shape]:
    """Those at which all have measured Exact: of the usual geometry, where there are any."""
    shapes = [s for s in shapes_of(platforms) if all(p.has(s, Method("exact")) for p in platforms)]
    usual = [s for s in shapes if s.geometry == USUAL_GEOMETRY and s.scenario == "even"]
    return usual or shapes


def digits(value: float) -> str:
    return f"{value:.0f}" if value >= 999.5 else f"{value:.3g}"


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def heading(*cells: str) -> list[str]:
    return [row(*cells), "|" + "---|" * len(cells)]


def portability_table(platforms: list[Platform]) -> list[str]:
    """PP of the methods that all platforms have measured; empty where there is nothing to compare."""
    shapes = common_shapes(platforms)
    if len(platforms) < 2 or not shapes:
        return []
    lines = [
        "PP, the performance portability of Pennycook, Sewall and Lee (2016): the harmonic mean of the efficiencies over",
        "platforms and shapes.",
        "",
        "- Platforms: " + "; ".join(p.name for p in platforms),
        "- Problem: one decode step of " + "; ".join(str(shape) for shape in shapes),
        "- Efficiency: bytes that must be read (all keys, distinct value rows) / time / the same run's streaming-read ceiling",
        "",
        *heading("method", "**PP**", *(p.name for p in platforms)),
    ]
    for name in METHODS:
        own = [performance_portability(p.efficiency(s, Method(name)) for s in shapes) for p in platforms]
        if None not in own:
            score = performance_portability(p.efficiency(s, Method(name)) for p in platforms for s in shapes)
            lines.append(row(name, f"**{score:.2f}**", *(f"{value:.2f}" for value in own)))
    return lines + [""]


def cell_of(platform: Platform, shape: Shape, method: Method) -> str:
    if not platform.has(shape, method):
        return "-"
    result = platform.results[shape, method]
    if not result:
        return "not supported"
    speedup = platform.speedup(shape, method)
    times = f"; {speedup:.2f}x" if speedup else ""
    text = f"{digits(result.microseconds)}{'h' if result.head_major else ''} ({result.efficiency:.2f}{times})"
    return f"*{text}*" if platform.predicted else text


def table_of(platforms: list[Platform], methods: list[Method], names: list[str]) -> list[str]:
    """A row for each shape and platform that has any of the methods; columns that none has are left out."""
    present = [(m, n) for m, n in zip(methods, names) if any(known == m for p in platforms for _, known in p.results)]
    lines = heading("heads/kv/dim, batch x length", "platform", *(name for _, name in present))
    for shape in shapes_of(platforms):
        label = str(shape)
        for p in platforms:
            if any(p.has(shape, method) for method, _ in present):
                name = f"*{p.name}*" if p.predicted else p.name
                lines.append(row(label, name, *(cell_of(p, shape, method) for method, _ in present)))
                label = ""
    return lines


def write_tables(platforms: list[Platform], predictions: list[Platform]) -> str:
    lines = [f"- {p.name}: {p.date}, {Path(p.source).name}" for p in platforms]
    for p in predictions:
        lines.append(
            f"- *{p.name}*, not measured: bytes / bandwidth / part of the ceiling that {p.source} reaches. It takes "
            "for granted that the same part is reached, and counts on no cache."
        )
    lines += ["", *portability_table(platforms)]
    lines += [
        "Microseconds a step by the better layout, h where that is head-major (part of the streaming-read ceiling; speed-up",
        "over exact).",
        "",
        *table_of(platforms + predictions, [Method(name) for name in METHODS], list(METHODS)),
    ]
    narrow = narrow_methods(platforms)
    if narrow:
        names = [f"{m.scores}, rescored" if m.rescored else m.scores for m in narrow]
        lines += ["", "The same of mass-unit, scored by narrow copies of the keys.", ""]
        lines += table_of(platforms + predictions, narrow, names)
    return "\n".join(lines) + "\n"


def write(path: str, text: str) -> None:
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadResults(f"can't write {path}: {error.strerror}") from error


def main(arguments: list[str] | None = None) -> int:
    from result_pictures import efficiency_picture, narrow_picture  # which knows results by this module

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="results (bench/results/*.json)")
    parser.add_argument("--output", default="-", metavar="FILE", help="where the Markdown tables go (standard output)")
    parser.add_argument("--svg", metavar="FILE", help="where the picture of parts of the ceiling goes")
    parser.add_argument("--narrow-svg", metavar="FILE", help="where the picture of narrow keys goes")
    parser.add_argument(
        "--predict", action="append", default=[], metavar="NAME=GB/s",
        help="adds a device's times, from its bandwidth and a measured device's part of the ceiling; marked, not in PP",
    )  # fmt: skip
    parser.add_argument("--predict-from", metavar="PART", help="part of that device's name (the only one with CUDA)")
    options = parser.parse_args(arguments)
    try:
        results = (Path(__file__).resolve().parent / "results").glob("*.json")
        # compile.json is compile_cost.py's, those of ranks are santa_ranks_bench's.
        files = options.files or sorted(p for p in results if p.name != "compile.json" and not p.stem.endswith("_ranks"))
        if not files:
            raise BadResults("no files of results")
        platforms = read_platforms(files)
        predictions = [predict(text, platforms, options.predict_from) for text in options.predict]
        pictures = [(options.svg, efficiency_picture), (options.narrow_svg, narrow_picture)]
        for path, picture in ((path, picture) for path, picture in pictures if path):
            text = picture(platforms)
            if not text:
                raise BadResults(f"{path}: no results for it, of batches whose requests have one length")
            write(path, text)
        write(options.output, write_tables(platforms, predictions))
    except BadResults as error:
        print(f"merge_results.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
