#!/usr/bin/env python3
"""Thinning beside the package goodpoints, on the same rows: beside_goodpoints.py <folder> [--picture out.svg]

The folder is what `santa_thinning_bench <rows> <folder>` wrote. goodpoints (a Python package) thins the
chain by Compress (g = 4, four bins) and kernel thinning of what that leaves, and by Compress++ where m is the root of the
rows; every fourth row by Stein kernel thinning and Stein recombination, low-rank or not (goodpoints.jax, if JAX is there). Times are
the least of the seeds: compiling by JAX counts in none but the first. Prints a table of Markdown.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Callable, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from svg_page import COLOURS, Svg

SEEDS = 5


class Line(NamedTuple):
    of: str
    m: int
    method: str
    error: float
    seconds: float


def read_results(path: Path) -> tuple[list[Line], float]:
    """The library's lines, and the bandwidth."""
    with path.open(encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    lines = [Line(r["of"], int(r["m"]), r["method"], float(r["error"]), float(r["seconds"])) for r in records]
    return lines, float(records[0]["bandwidth"])


def measured(of: str, m: int, method: str, run: Callable[[int], Any], error: Callable[[Any], float]) -> Line:
    """Root mean square error and least time over seeds."""
    squares, least = 0.0, math.inf
    for seed in range(SEEDS):
        begin = time.perf_counter()
        result = run(seed)
        least = min(least, time.perf_counter() - begin)
        squares += error(result) ** 2 / SEEDS
    return Line(of, m, method, math.sqrt(squares), least)


def chain_lines(rows: Any, bandwidth: float, kept: list[int]) -> list[Line]:
    """goodpoints' lists of the chain's own averages: exp(-|x - y|^2 / (2 h^2))."""
    import numpy as np
    from goodpoints import compress, kt

    n, scale = len(rows), np.array([2 * bandwidth**2])

    def kernel(x: Any, y: Any) -> Any:
        return np.exp(-((x[:, None, :] - y[None]) ** 2).sum(-1) / scale[0])

    mean = np.concatenate([kernel(rows[i : i + 512], rows).mean(1) for i in range(0, n, 512)])
    whole = mean.mean()

    def error(picked: Any) -> float:
        chosen = rows[picked]
        return math.sqrt(max(0.0, kernel(chosen, chosen).mean() - 2 * mean[picked].mean() + whole))

    def compress_and_thin(m: int, seed: int) -> Any:
        left = compress.compress_kt(rows, b"gaussian", scale, g=4, num_bins=4, seed=seed)
        matrix = np.ascontiguousarray(kernel(rows[left], rows[left]))
        return left[kt.thin_K(matrix, matrix, int(math.log2(len(left) // m)), seed=seed)]

    lines = []
    for m in kept:
        lines.append(measured("chain", m, "goodpoints", lambda seed, m=m: compress_and_thin(m, seed), error))
        if m * m == n:
            for g in (0, 4):
                lines.append(
                    measured(
                        "chain",
                        m,
                        f"goodpoints, Compress++, g = {g}",
                        lambda seed, g=g: compress.compresspp_kt(
                            rows, b"gaussian", scale, g=g, num_bins=4, seed=seed
                        ),
                        error,
                    )
                )
    return lines


def target_lines(rows: Any, scores: Any, bandwidth: float, kept: list[int]) -> list[Line]:
    """goodpoints' lists of the target's averages, by Stein's kernel of (1 + |x - y|^2 / h^2)^(-1/2)."""
    try:
        import jax
    except ImportError:
        print("no JAX: no Stein thinning beside", file=sys.stderr)
        return []
    jax.config.update("jax_enable_x64", True)
    import numpy as np
    from goodpoints.jax import dtc
    from goodpoints.jax.kernel.precond_stein import PrecondSteinKernel

    kernel = PrecondSteinKernel(lambda t: (1 + t) ** -0.5, np.eye(rows.shape[1]), bandwidth**2)
    points = kernel.prepare_input(rows, scores)

    def error(weight: Any) -> float:
        listed = np.nonzero(weight)[0]
        own = points.subset(listed)
        return math.sqrt(max(0.0, weight[listed] @ np.array(kernel(own[:, None], own[None, :])) @ weight[listed]))

    methods = (
        ("goodpoints, Stein KT", dtc.skt),
        ("goodpoints, Stein recombination", dtc.sr),
        ("goodpoints, low-rank Stein recombination", dtc.lsr),
    )
    lines = []
    for m in kept:
        for name, thin in methods:
            lines.append(
                measured("target", m, name, lambda seed, m=m, thin=thin: thin(kernel, points, m, seed=seed)[0], error)
            )
    root = 2 ** math.ceil(math.log(len(rows), 4))  # which the low-rank thinning keeps, in float32 weights
    name = "goodpoints, low-rank Stein KT, rank 64"
    lines.append(
        measured("target", root, name, lambda seed: dtc.lskt(kernel, points, 64, seed=seed)[0], error)
    )
    return lines


def table(lines: list[Line]) -> str:
    """Markdown: a row for each m and method, errors and times."""
    result = ["| averages of | m | method | discrepancy | ms |", "|---|---|---|---|---|"]
    for line in sorted(lines, key=lambda line: (line.of, line.m)):
        seconds = f"{1e3 * line.seconds:.3g}"
        result.append(f"| {line.of} | {line.m} | {line.method} | {line.error:.2e} | {seconds} |")
    return "\n".join(result)


def picture(lines: list[Line]) -> str:
    """Error against m, a panel for the chain's averages and one for the target's."""
    svg = Svg(860)
    svg.text(64, 34, "Thinning a chain: error against rows kept", 'font-size="18" font-weight="bold" fill="#111111"')
    svg.text(64, 54, "maximum mean discrepancy; left from the chain's averages, right from the target's, burn-in and all",
             'fill="#666666" font-size="12"')  # fmt: skip
    methods: dict[str, int] = {}
    for panel, of in enumerate(("chain", "target")):
        curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for line in lines:
            if line.of == of and line.method != "all rows" and "Compress++" not in line.method and line.error > 0:
                curves[line.method].append((line.m, line.error))
        if not curves:
            continue
        sizes = [m for curve in curves.values() for m, _ in curve]
        errors = [error for curve in curves.values() for _, error in curve]
        low, high = math.floor(math.log10(min(errors))), math.ceil(math.log10(max(errors)))
        left, right, top, bottom = 64 + 410 * panel, 400 + 410 * panel, 84.0, 384.0

        def x_of(m: float, left: float = left, right: float = right, sizes: list[int] = sizes) -> float:
            return left + (right - left) * math.log(m / min(sizes)) / max(1e-9, math.log(max(sizes) / min(sizes)))

        def y_of(error: float, top: float = top, bottom: float = bottom, low: int = low, high: int = high) -> float:
            return bottom - (bottom - top) * (math.log10(error) - low) / (high - low)

        for m in sorted(set(sizes)):
            svg.line(x_of(m), top, x_of(m), bottom, 'stroke="#e4e4e4"')
            svg.text(x_of(m), bottom + 20, str(m), 'text-anchor="middle"')
        for power in range(low, high + 1):
            svg.line(left, y_of(10.0**power), right, y_of(10.0**power), 'stroke="#e4e4e4"')
            svg.text(left - 8, y_of(10.0**power) + 4, f"1e{power}", 'text-anchor="end"')
        for method, curve in curves.items():
            kind = methods.setdefault(method, len(methods))
            colour = COLOURS[kind % len(COLOURS)]
            points = [(x_of(m), y_of(error)) for m, error in sorted(curve)]
            svg.path(points, f'stroke="{colour}" stroke-width="1.8"')
            for (x, y), (m, error) in zip(points, sorted(curve)):
                svg.marker(kind, x, y, colour, f"{method}, m = {m}: {error:.2e}")
        svg.text(0.5 * (left + right), bottom + 40, "rows kept", 'text-anchor="middle" fill="#666666" font-size="12"')
    for method, kind in methods.items():
        x, y = 64 + 260 * (kind % 3), 452 + 24 * (kind // 3)
        svg.marker(kind, x, y - 4, COLOURS[kind % len(COLOURS)])
        svg.text(x + 14, y, method)
    return svg.page(452 + 24 * ((len(methods) - 1) // 3) + 24, "Thinning a chain: error against rows kept")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Thinning beside the package goodpoints, on the same rows.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--picture", type=Path, help="an SVG to write")
    options = parser.parse_args(arguments)
    import numpy as np

    lines, bandwidth = read_results(options.folder / "results.csv")
    rows = np.fromfile(options.folder / "chain.f64").reshape(-1, 2)
    scores = np.fromfile(options.folder / "scores.f64").reshape(-1, 2)
    kept = sorted({line.m for line in lines if line.method == "thinned"})
    lines += chain_lines(rows, bandwidth, kept)
    lines += target_lines(rows[3::4].copy(), scores[3::4].copy(), bandwidth, kept)
    print(table(lines))
    if options.picture:
        options.picture.write_text(picture(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
