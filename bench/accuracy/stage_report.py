#!/usr/bin/env python3
"""Puts the cases of santa_accuracy --stage together, and makes their tables and picture for docs/accuracy_score_stages.md.

  bench/accuracy/stage_report.py merge --bytes RAW... --rows RAW... --output docs/accuracy/score_stages.json
  bench/accuracy/stage_report.py tables docs/accuracy/score_stages.json      Markdown, on standard output
  bench/accuracy/stage_report.py picture docs/accuracy/score_stages.json --output docs/accuracy/score_stages.svg
  bench/accuracy/stage_report.py check docs/accuracy/score_stages.json       the means follow from the cases

A case is a stage at a budget on one context and text; it has a mean over the query heads of each layer. A budget is a
share of exact attention's bytes (all keys and values) or of the rows; a stage that can't keep one of bytes has the
smallest share it was run with in its place.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Iterable, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from svg_page import COLOURS, Svg
from report import (
    AXIS, GRID, NOTE, ROUNDING, TITLE, BadCases, log_ticks, number, percent, read_file, shortened, table, write,
)  # fmt: skip

RESCORED = "-rescored"
BYTES, ROWS = "bytes", "rows"
FULL = ("bf16", False)
STAGES = (
    "bf16", "int8", "fp8", "int4", "top-features", "top-query-features", "systematic-features", "bernoulli", "low-rank",
    "sparse-keys", "top-rows", "top-rows-int4", "exact-int8", "exact-int8-rows", "exact-int4", "exact-int4-rows",
)  # fmt: skip
# Of every layer's numbers.
DIGITS = 3


class Head(NamedTuple):
    layer: int
    error: float
    bytes_share: float
    rows: float


class Key(NamedTuple):
    """A stage at a budget, on one context and text (or on all texts)."""

    context: int
    text: str
    stage: str
    rescored: bool
    budget_of: str
    budget: float


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)


def geometric(values: Iterable[float]) -> float:
    return math.exp(mean(math.log(max(value, ROUNDING)) for value in values))


def read_heads(path: Path, budget_of: str) -> dict[Key, list[Head]]:
    heads: dict[Key, list[Head]] = defaultdict(list)
    for record in read_file(path)["cases"]:
        try:
            name = str(record["method"])
            key = Key(
                int(record["context"]), str(record["text"]), name.removesuffix(RESCORED), name.endswith(RESCORED),
                budget_of, float(record["budget"]),
            )  # fmt: skip
            head = Head(
                int(record["layer"]), float(record["relative_error"]), float(record["bytes_share"]),
                float(record["rows_read_fraction"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise BadCases(f"{path}: no case of a score stage: {error!r}") from None
        if not all(map(math.isfinite, head)):
            raise BadCases(f"{path}: {name} on {key.text} has a number that can't be")
        heads[key].append(head)
    return heads


# --- Files ---------------------------------------------------------------------------------------------------------


def case_of(key: Key, heads: list[Head]) -> dict[str, Any]:
    by_layer: dict[int, list[float]] = defaultdict(list)
    for head in heads:
        by_layer[head.layer].append(head.error)
    layers = sorted(by_layer)
    return key._asdict() | {
        "bytes_share": shortened(mean(head.bytes_share for head in heads), 4),
        "rows": shortened(mean(head.rows for head in heads), 4),
        "layers": layers,
        "heads": [len(by_layer[layer]) for layer in layers],
        "geometric": [shortened(geometric(by_layer[layer]), DIGITS) for layer in layers],
        "mean": [shortened(mean(by_layer[layer]), DIGITS) for layer in layers],
    }


def percentile(errors: list[float], part: float) -> float:
    return sorted(errors)[math.ceil(part * len(errors)) - 1]


def over_texts(key: Key) -> Key:
    return key._replace(text="all")


def shared_layers(cases: list[dict[str, Any]]) -> dict[tuple[int, str], set[int]]:
    """Of each context and kind of budget, the layers that all of its cases have: what means are comparable over."""
    shared: dict[tuple[int, str], set[int]] = {}
    for case in cases:
        place = (case["context"], case["budget_of"])
        shared[place] = shared.get(place, set(case["layers"])) & set(case["layers"])
    return shared


def summaries_of(cases: list[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """Means over texts, shared layers and heads, from the cases' means by layer."""
    parts: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for case in cases:
        parts[over_texts(Key(*(case[name] for name in Key._fields)))].append(case)
    shared = shared_layers(cases)
    result = {}
    for key, members in parts.items():
        layers = shared[key.context, key.budget_of]
        kept = [(case, i) for case in members for i, layer in enumerate(case["layers"]) if layer in layers]
        heads = sum(case["heads"][i] for case, i in kept)
        if heads == 0:
            raise BadCases(f"{key} has no layer that the others have")
        total = lambda f: sum(case["heads"][i] * f(case, i) for case, i in kept)  # noqa: E731, B023
        result[key] = {
            "layers": len(layers),
            "heads": heads,
            "bytes_share": shortened(total(lambda case, _: case["bytes_share"]) / heads, 4),
            "rows": shortened(total(lambda case, _: case["rows"]) / heads, 4),
            "geometric": shortened(math.exp(total(lambda case, i: math.log(case["geometric"][i])) / heads), DIGITS),
            "mean": shortened(total(lambda case, i: case["mean"][i]) / heads, DIGITS),
        }
    return result


def drop_repeats(heads: dict[Key, list[Head]]) -> None:
    """A stage that can't keep a budget repeats its smallest share at all smaller ones: once is enough."""
    budgets: dict[tuple[int, str, bool], dict[float, list[Key]]] = defaultdict(lambda: defaultdict(list))
    for key in sorted(heads):
        if key.budget_of == BYTES:
            budgets[key.context, key.stage, key.rescored][key.budget].append(key)
    for found in budgets.values():
        falling = sorted(found, reverse=True)
        all_heads = [[heads[key] for key in found[budget]] for budget in falling]
        for budget, before, own in zip(falling[1:], all_heads, all_heads[1:]):
            if before == own:
                for key in found[budget]:
                    del heads[key]


def merge(by_bytes: list[Path], by_rows: list[Path]) -> str:
    heads: dict[Key, list[Head]] = defaultdict(list)
    for budget_of, paths in ((BYTES, by_bytes), (ROWS, by_rows)):
        for path in paths:
            for key, found in read_heads(path, budget_of).items():
                twice = {head.layer for head in heads[key]} & {head.layer for head in found}
                if twice:
                    raise BadCases(f"{path}: layer {min(twice)} of {key} is in another file too")
                heads[key] += found
    if not heads:
        raise BadCases("no cases")
    drop_repeats(heads)
    cases = [case_of(key, heads[key]) for key in sorted(heads)]
    shared = shared_layers(cases)
    errors: dict[Key, list[float]] = defaultdict(list)
    for key, found in heads.items():
        layers = shared[key.context, key.budget_of]
        errors[over_texts(key)] += [head.error for head in found if head.layer in layers]
    means = [
        {name: value for name, value in key._asdict().items() if name != "text"}
        | summary
        | {"percentile_95": shortened(percentile(errors[key], 0.95), DIGITS)}
        for key, summary in sorted(summaries_of(cases).items())
    ]
    line = lambda record: json.dumps(record, separators=(",", ":"))  # noqa: E731
    parts = [
        f'"{name}": [\n' + ",\n".join(map(line, records)) + "\n]"
        for name, records in (("means", means), ("cases", cases))
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read_means(path: Path) -> tuple[dict[Key, dict[str, Any]], list[dict[str, Any]]]:
    content = read_file(path)
    try:
        means = {
            Key(*(record[name] if name != "text" else "all" for name in Key._fields)): record
            for record in content["means"]
        }
    except (KeyError, TypeError) as error:
        raise BadCases(f"{path}: no means: {error!r}") from None
    return means, content["cases"]


def check(path: Path) -> None:
    means, cases = read_means(path)
    computed = summaries_of(cases)
    if set(computed) != set(means):
        raise BadCases(f"{path}: its means are not those of its cases")
    for key, summary in computed.items():
        if any(means[key][name] != value for name, value in summary.items()):
            raise BadCases(f"{path}: the means of {key} do not follow from its cases")


# --- Tables --------------------------------------------------------------------------------------------------------

Means = dict[Key, dict[str, Any]]


def contexts_of(means: Means, budget_of: str) -> list[int]:
    return sorted({key.context for key in means if key.budget_of == budget_of})


def stages_of(means: Means, context: int, budget_of: str) -> list[tuple[str, bool]]:
    """In the order of STAGES, others last."""
    found = {(key.stage, key.rescored) for key in means if (key.context, key.budget_of) == (context, budget_of)}
    place = lambda stage: STAGES.index(stage[0]) if stage[0] in STAGES else len(STAGES)  # noqa: E731
    return sorted(found, key=lambda stage: (place(stage), stage))


def name_of(stage: tuple[str, bool]) -> str:
    return stage[0] + (", rescored" if stage[1] else "")


def bytes_table(means: Means, context: int) -> str:
    budgets = sorted({k.budget for k in means if k.budget_of == BYTES}, reverse=True)
    rows = []
    for stage in stages_of(means, context, BYTES):
        row = [name_of(stage)]
        for budget in budgets:
            found = means.get(Key(context, "all", *stage, BYTES, budget))
            cell = ""
            if found:
                cell = " / ".join(number(found[name]) for name in ("geometric", "mean", "percentile_95"))
                if found["bytes_share"] > 1.01 * budget:
                    cell += f" (at {percent(found['bytes_share'])})"
            row.append(cell)
        rows.append(row)
    return table(["scores from"] + [f"1/{round(1 / budget)}" for budget in budgets], rows)


def rows_table(means: Means) -> str:
    """Errors at equal rows, of those by the keys themselves."""
    rows = []
    for context in contexts_of(means, ROWS):
        for budget in sorted({k.budget for k in means if k.budget_of == ROWS and k.context == context}):
            full = means.get(Key(context, "all", *FULL, ROWS, budget))
            for stage in stages_of(means, context, ROWS) if full else []:
                found = means.get(Key(context, "all", *stage, ROWS, budget))
                if not found or not full or stage == FULL:
                    continue
                ratios = [number(found[name] / full[name]) for name in ("geometric", "mean", "percentile_95")]
                rows.append(
                    [str(context), percent(budget), name_of(stage), percent(found["bytes_share"]),
                     number(found["mean"]), *ratios]
                )  # fmt: skip
    header = ["context", "rows", "scores from", "bytes", "mean error", "geometric mean", "of mean errors", "of 95th"]
    return table(header, rows)


def tables(path: Path) -> str:
    means, _ = read_means(path)
    parts = [f"### {context} keys\n\n{bytes_table(means, context)}" for context in contexts_of(means, BYTES)]
    if any(key.budget_of == ROWS for key in means):
        parts.append("### Equal rows\n\n" + rows_table(means))
    return "\n".join(parts)


# --- Picture -------------------------------------------------------------------------------------------------------

PICTURED = (
    ("bf16", False), ("int8", True), ("int4", True), ("int4", False), ("top-features", True), ("bernoulli", True),
    ("low-rank", True), ("sparse-keys", True), ("top-rows-int4", False), ("exact-int8", False), ("exact-int4", False),
)  # fmt: skip


def draw(means: Means) -> str:
    """Mean error against bytes, a panel for the shortest context and one for the longest."""
    contexts = contexts_of(means, BYTES)
    contexts = sorted({contexts[0], contexts[-1]})
    points = {
        (context, stage): sorted(
            (found["bytes_share"], found["mean"])
            for key, found in means.items()
            if (key.context, key.budget_of, (key.stage, key.rescored)) == (context, BYTES, stage)
        )
        for context in contexts
        for stage in PICTURED
    }
    shown = [point for line in points.values() for point in line]
    low_x, high_x = min(x for x, _ in shown) * 0.9, max(x for x, _ in shown) * 1.1
    low_y, high_y = min(y for _, y in shown) * 0.8, max(y for _, y in shown) * 1.25
    width, gap, top, bottom = 380.0, 70.0, 100.0, 480.0
    svg = Svg(80 + len(contexts) * (width + gap) + 130)
    title = "Error against bytes read"
    svg.text(80, 36, title, TITLE)
    svg.text(80, 58, "mean relative error over layers, heads and texts; bytes of exact attention's", NOTE)
    y_of = lambda y: bottom - (bottom - top) * math.log(y / low_y) / math.log(high_y / low_y)  # noqa: E731
    for panel, context in enumerate(contexts):
        left = 80 + panel * (width + gap)
        right = left + width
        x_of = lambda x: left + width * math.log(x / low_x) / math.log(high_x / low_x)  # noqa: E731, B023
        svg.text(left, top - 14, f"{context} keys", 'font-weight="bold"')
        for tick in (0.0625, 0.125, 0.25, 0.5):
            if low_x <= tick <= high_x:
                svg.line(x_of(tick), top, x_of(tick), bottom, GRID)
                svg.text(x_of(tick), bottom + 20, f"1/{round(1 / tick)}", 'text-anchor="middle"')
        for tick in log_ticks(low_y, high_y):
            svg.line(left, y_of(tick), right, y_of(tick), GRID)
            if panel == 0:
                svg.text(left - 8, y_of(tick) + 4, f"{tick:g}", 'text-anchor="end"')
        svg.line(left, bottom, right, bottom, AXIS)
        svg.line(left, top, left, bottom, AXIS)
        for kind, stage in enumerate(PICTURED):
            line = points[context, stage]
            colour = COLOURS[kind % len(COLOURS)]
            dashes = ' stroke-dasharray="6 4"' if kind >= len(COLOURS) else ""
            if len(line) > 1:
                svg.path([(x_of(x), y_of(y)) for x, y in line], f'stroke="{colour}" stroke-width="2"{dashes}')
            for x, y in line:
                svg.marker(kind, x_of(x), y_of(y), colour, f"{name_of(stage)}: {number(y)} at {percent(x)}")
    legend = 80 + len(contexts) * (width + gap) - 40
    shown_stages = [(i, stage) for i, stage in enumerate(PICTURED) if any(points[c, stage] for c in contexts)]
    for place, (kind, stage) in enumerate(shown_stages):
        y = top + 10 + 22 * place
        svg.marker(kind, legend, y, COLOURS[kind % len(COLOURS)])
        svg.text(legend + 12, y + 4, name_of(stage))
    return svg.page(bottom + 40, title)


def run(options: argparse.Namespace) -> None:
    if options.command == "merge":
        write(options.output, merge(options.bytes, options.rows))
    elif options.command == "tables":
        write(options.output, tables(options.file))
    elif options.command == "picture":
        write(options.output, draw(read_means(options.file)[0]))
    else:
        check(options.file)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    merging = commands.add_parser("merge", help="one file of several")
    merging.add_argument("--bytes", nargs="+", type=Path, default=[], metavar="RAW", help="run with --share")
    merging.add_argument("--rows", nargs="+", type=Path, default=[], metavar="RAW", help="run with --budget")
    for name, what in (("tables", "Markdown"), ("picture", "SVG"), ("check", "the means against the cases")):
        command = commands.add_parser(name, help=what)
        command.add_argument("file", type=Path, metavar="RESULTS")
    for name in ("merge", "tables", "picture"):
        commands.choices[name].add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    try:
        run(parser.parse_args(arguments))
    except BadCases as error:
        print(f"stage_report.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
