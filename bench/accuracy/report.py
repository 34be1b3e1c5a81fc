#!/usr/bin/env python3
"""Puts the cases of santa_accuracy together, and makes docs/accuracy's tables and pictures of them.

  bench/accuracy/report.py merge RAW.json... --output docs/accuracy/results.json      merged files may follow raw ones
  bench/accuracy/report.py tables docs/accuracy/results.json      Markdown, on standard output
  bench/accuracy/report.py pictures docs/accuracy/results.json --folder docs/accuracy
  bench/accuracy/report.py check docs/accuracy/results.json       the summary follows from the cases

An error ratio is that of the default's relative error to another method's, on the same query head at the same mean
number of distinct value rows. Cases of variants, which are no methods of the library, are kept as means alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from svg_page import COLOURS, Svg

DEFAULT = "mass-unit"
PAPER = "fixed-tile-budget"
SEPARATE = "mass-unit-separate"
SUMMARY = "error_ratio_default_to_fixed_tile_budget_at_equal_rows"
LIBRARY = (
    "multinomial", "stratified", "systematic", "fixed-tile-budget", "proportional-tile-budget", "mass-unit",
    "mass-unit-center", "mass-unit-l2", "mass-unit-steered", "mass-unit-separate",
)  # fmt: skip
# Below it, errors are the rounding of float sums.
ROUNDING = 1e-6


class BadCases(Exception):
    """What is wrong with a file, for people."""


class Place(NamedTuple):
    """What methods are compared on."""

    context: int
    text: str
    layer: int
    head: int
    budget: float


@dataclass(frozen=True)
class Case:
    place: Place
    method: str
    rows: float
    error: float
    error_se: float
    one_minus_cosine: float
    bias_z: float
    seeds: int

    def record(self) -> dict[str, Any]:
        place = self.place
        return {
            "context": place.context, "text": place.text, "layer": place.layer, "head": place.head,
            "method": self.method, "budget": place.budget, "rows_read_fraction": self.rows,
            "relative_error": self.error, "error_se": self.error_se, "one_minus_cosine": self.one_minus_cosine,
            "bias_z": self.bias_z, "seeds": self.seeds,
        }  # fmt: skip


class LeftOut(NamedTuple):
    """A method that can't read the rows of a kv head's draw."""

    context: int
    text: str
    layer: int
    kv_head: int
    method: str
    budget: float


Cases = dict[tuple[Place, str], Case]


def shortened(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def read_case(record: Any, where: str) -> Case:
    try:
        place = Place(
            int(record["context"]), str(record["text"]), int(record["layer"]), int(record["head"]),
            float(record["budget"]),
        )  # fmt: skip
        numbers = [
            float(record[name])
            for name in ("rows_read_fraction", "relative_error", "error_se", "one_minus_cosine", "bias_z")
        ]
        # As many digits as mean something: what is computed from a file is what is computed from its cases.
        numbers = [shortened(value, digits) for value, digits in zip(numbers, (3, 3, 2, 2, 2))]
        case = Case(place, str(record["method"]), *numbers, seeds=int(record["seeds"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadCases(f"{where}: no case: {error!r}") from None
    if not all(map(math.isfinite, numbers)) or case.error < 0.0:
        raise BadCases(f"{where}: {case.method} at {place} has a number that can't be")
    return case


def read_file(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadCases(f"can't read {path}: {error.strerror}") from error
    except ValueError as error:
        raise BadCases(f"{path}: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("cases"), list):
        raise BadCases(f'{path}: expected an object with a list of "cases"')
    return content


def read_cases(paths: Iterable[Path]) -> tuple[Cases, set[LeftOut]]:
    """Where two files have a case, the one of more seeds stands."""
    cases: Cases = {}
    left_out: set[LeftOut] = set()
    for path in paths:
        content = read_file(path)
        for record in content["cases"]:
            case = read_case(record, str(path))
            known = cases.get((case.place, case.method))
            if known is None or known.seeds < case.seeds:
                cases[case.place, case.method] = case
        for record in content.get("left_out", []):
            try:
                left_out.add(LeftOut(**record))
            except TypeError as error:
                raise BadCases(f"{path}: left_out: {error}") from None
    if not cases:
        raise BadCases("no cases")
    return cases, left_out


# --- Means ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """One method's errors to another's, on the same heads."""

    geometric: float  # mean of the ratios
    arithmetic: float  # ratio of the mean errors
    rms: float  # ratio of the root mean square errors
    worst: float  # largest ratio
    heads: int


def pairs_of(cases: Cases, method: str, other: str, keep: Callable[[Place], bool]) -> list[tuple[Case, Case]]:
    found = []
    for (place, name), case in cases.items():
        if name == method and keep(place) and (place, other) in cases:
            found.append((case, cases[place, other]))
    return found


def ratio_of(case: Case, other: Case) -> float:
    return max(case.error, ROUNDING) / max(other.error, ROUNDING)


def is_worse(case: Case, other: Case) -> bool:
    """More than 5 % worse, beyond three standard errors and beyond rounding."""
    margin = 3 * math.hypot(case.error_se, 1.05 * other.error_se)
    return case.error > ROUNDING and case.error - 1.05 * other.error > margin


def compare(pairs: list[tuple[Case, Case]]) -> Comparison:
    ratios = [ratio_of(a, b) for a, b in pairs]
    return Comparison(
        geometric=math.exp(sum(map(math.log, ratios)) / len(ratios)),
        arithmetic=sum(a.error for a, _ in pairs) / sum(b.error for _, b in pairs),
        rms=math.sqrt(sum(a.error**2 for a, _ in pairs) / sum(b.error**2 for _, b in pairs)),
        worst=max(ratios),
        heads=len(ratios),
    )


def contexts_of(cases: Cases) -> list[int]:
    return sorted({place.context for place, _ in cases})


def budgets_of(cases: Cases, context: int) -> list[float]:
    """The budgets at which every head of a context was compared with the paper's method: most heads."""
    count: dict[float, int] = defaultdict(int)
    for place, method in cases:
        if place.context == context and method == DEFAULT:
            count[place.budget] += 1
    return sorted(budget for budget, heads in count.items() if heads == max(count.values()))


def at(context: int, budget: float) -> Callable[[Place], bool]:
    return lambda place: (place.context, place.budget) == (context, budget)


def summary_of(cases: Cases) -> dict[str, Any]:
    ratios = {}
    details = []
    for context in contexts_of(cases):
        by_budget = []
        for budget in budgets_of(cases, context):
            pairs = pairs_of(cases, DEFAULT, PAPER, at(context, budget))
            if not pairs:
                continue
            mean = compare(pairs)
            by_budget.append(mean.geometric)
            details.append(
                {
                    "context": context, "budget": budget, "geometric": shortened(mean.geometric, 4),
                    "arithmetic": shortened(mean.arithmetic, 4), "rms": shortened(mean.rms, 4), "heads": mean.heads,
                }
            )  # fmt: skip
        if by_budget:
            ratios[str(context)] = shortened(max(by_budget), 4)
    return {"default": DEFAULT, SUMMARY: ratios, "means": details}


def variant_means(cases: Cases) -> list[dict[str, Any]]:
    """Of every method that is none of the library's, to the default."""
    names = sorted({method for _, method in cases} - set(LIBRARY))
    rows = []
    for name in names:
        for context in contexts_of(cases):
            for budget in sorted({place.budget for place, method in cases if method == name}):
                pairs = pairs_of(cases, name, DEFAULT, at(context, budget))
                if pairs:
                    mean = compare(pairs)
                    to_separate = pairs_of(cases, name, SEPARATE, at(context, budget))
                    within = sum(ratio_of(b, a) <= 1.15 for a, b in pairs) / len(pairs)
                    rows.append(
                        {
                            "variant": name, "context": context, "budget": budget,
                            "geometric": shortened(mean.geometric, 4), "arithmetic": shortened(mean.arithmetic, 4),
                            "rms": shortened(mean.rms, 4), "worst": shortened(mean.worst, 3), "heads": mean.heads,
                            "default_within_1.15": shortened(within, 3),
                            "default_worse_heads": sum(is_worse(b, a) for a, b in pairs),
                            "heads_worse_than_separate": sum(is_worse(a, b) for a, b in to_separate),
                            "rms_bias_z": shortened(math.sqrt(sum(a.bias_z**2 for a, _ in pairs) / len(pairs)), 3),
                        }
                    )  # fmt: skip
    return rows


# --- Files ---------------------------------------------------------------------------------------------------------


def model_of(paths: Iterable[Path]) -> str:
    """The model that the cases of all files are of, as the captures name it."""
    models = {str(read_file(path).get("model", "")) for path in paths}
    if len(models) > 1:
        raise BadCases(f"cases of several models: {', '.join(sorted(map(repr, models)))}")
    return models.pop()


def all_variant_means(cases: Cases, paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Of the cases, and those of merged files, which keep no cases of variants, where there are none."""
    rows = [row for path in paths for row in read_file(path).get("variants", [])] + variant_means(cases)
    by_place = {(row["variant"], row["context"], row["budget"]): row for row in rows}
    return [by_place[place] for place in sorted(by_place)]


def merge(paths: list[Path]) -> str:
    cases, left_out = read_cases(paths)
    kept = sorted((case for case in cases.values() if case.method in LIBRARY), key=lambda c: (c.place, c.method))
    line = lambda record: json.dumps(record, separators=(",", ":"))  # noqa: E731
    library_left_out = sorted(entry for entry in left_out if entry.method in LIBRARY)
    parts = [
        f'"model": {json.dumps(model_of(paths))}',
        f'"summary": {json.dumps(summary_of(cases), indent=1)}',
        '"variants": [\n' + ",\n".join(map(line, all_variant_means(cases, paths))) + "\n]",
        '"left_out": [\n' + ",\n".join(line(entry._asdict()) for entry in library_left_out) + "\n]",
        '"cases": [\n' + ",\n".join(line(case.record()) for case in kept) + "\n]",
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def check(path: Path) -> None:
    content = read_file(path)
    cases, _ = read_cases([path])
    if content.get("summary") != summary_of(cases):
        raise BadCases(f"{path}: its summary does not follow from its cases")


# --- Tables --------------------------------------------------------------------------------------------------------


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(["---"] + ["---:"] * (len(header) - 1)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def number(value: float) -> str:
    return f"{value:.3g}"


def percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def heads_left_out(left_out: set[LeftOut], method: str, context: int, budget: float) -> int:
    return sum((e.method, e.context, e.budget) == (method, context, budget) for e in left_out)


def summary_table(cases: Cases, left_out: set[LeftOut]) -> str:
    rows = []
    for mean in summary_of(cases)["means"]:
        context, budget = mean["context"], mean["budget"]
        out = heads_left_out(left_out, PAPER, context, budget)
        rows.append(
            [str(context), percent(budget), *(number(mean[name]) for name in ("geometric", "arithmetic", "rms")),
             str(mean["heads"]), str(out)]
        )  # fmt: skip
    header = ["context", "rows", "geometric mean", "of mean errors", "of RMS errors", "heads", "kv heads left out"]
    return table(header, rows)


def error_table(cases: Cases) -> str:
    """The default's own errors over heads and texts."""
    rows = []
    for context in contexts_of(cases):
        for budget in budgets_of(cases, context):
            found = [c for (p, m), c in cases.items() if m == DEFAULT and (p.context, p.budget) == (context, budget)]
            errors = sorted(case.error for case in found)
            geometric = math.exp(sum(math.log(max(e, ROUNDING)) for e in errors) / len(errors))
            cosine = sum(case.one_minus_cosine for case in found) / len(found)
            rows.append(
                [str(context), percent(budget), percent(sum(c.rows for c in found) / len(found)), number(geometric),
                 number(errors[len(errors) // 2]), number(sum(errors) / len(errors)),
                 number(errors[math.ceil(0.95 * len(errors)) - 1]), number(errors[-1]), number(cosine)]
            )  # fmt: skip
    header = ["context", "budget", "rows read", "geometric", "median", "mean", "95th pct", "largest", "1 - cosine"]
    return table(header, rows)


def methods_table(cases: Cases, left_out: set[LeftOut], budget: float = 0.1) -> str:
    """Each library method to the default, over the contexts and layers that all methods ran on."""
    parts = {(place.context, place.layer) for place, method in cases if method == "systematic"}
    keep = lambda place: place.budget == budget and (place.context, place.layer) in parts  # noqa: E731
    rows = []
    for method in LIBRARY:
        pairs = pairs_of(cases, method, DEFAULT, keep)
        if not pairs:
            continue
        mean = compare(pairs)
        z = [a.bias_z for a, _ in pairs]
        out = sum(e.method == method and e.budget == budget and (e.context, e.layer) in parts for e in left_out)
        rows.append(
            [
                method, number(mean.geometric), number(mean.arithmetic), number(mean.rms),
                number(sum(a.one_minus_cosine for a, _ in pairs) / len(pairs)),
                number(math.sqrt(sum(x * x for x in z) / len(z))), percent(sum(abs(x) > 3 for x in z) / len(z)),
                str(mean.heads), str(out),
            ]
        )  # fmt: skip
    header = ["method", "geometric", "of mean errors", "of RMS errors", "1 - cosine", "RMS of bias z", "beyond 3",
              "heads", "kv heads left out"]  # fmt: skip
    return table(header, rows)


def variants_table(content: dict[str, Any], contexts: list[int]) -> str:
    found: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in content.get("variants", []):
        if row["budget"] == 0.1:
            found[row["variant"]][row["context"]] = row
    rows = []
    for name, by_context in found.items():
        cells = [name]
        for context in contexts:
            row = by_context.get(context)
            cells += [number(row[k]) for k in ("geometric", "arithmetic", "worst")] if row else ["", "", ""]
        rows.append(cells)
    header = ["variant"] + [f"{context} {what}" for context in contexts for what in ("geom.", "arith.", "worst")]
    return table(header, rows)


def name_of(place: Place) -> str:
    return f"layer {place.layer}, head {place.head}, {place.text}"


def worst_table(cases: Cases, budget: float = 0.1, count: int = 4) -> str:
    """By context: the heads with the largest errors of the default, and those nearest to the paper's method."""
    rows = []
    for context in contexts_of(cases):
        pairs = pairs_of(cases, DEFAULT, PAPER, at(context, budget))
        for case, other in sorted(pairs, key=lambda p: -p[0].error)[:count]:
            rows.append([str(context), "error", name_of(case.place), number(case.error), number(ratio_of(case, other))])
        for case, other in sorted(pairs, key=lambda p: -ratio_of(*p))[:count]:
            rows.append([str(context), "ratio", name_of(case.place), number(case.error), number(ratio_of(case, other))])
    return table(["context", "largest", "head", "error", "to fixed-tile-budget"], rows)


def separate_table(cases: Cases) -> str:
    """Where heads that draw together do worse than heads that draw alone, at equal union rows."""
    rows = []
    for context in contexts_of(cases):
        for budget in budgets_of(cases, context):
            pairs = pairs_of(cases, DEFAULT, SEPARATE, at(context, budget))
            if not pairs:
                continue
            worse = [(a, b) for a, b in pairs if is_worse(a, b)]
            mean = compare(pairs)
            largest = max((a.error for a, _ in worse), default=0.0)
            rows.append(
                [str(context), percent(budget), number(mean.geometric), number(mean.arithmetic), number(mean.rms),
                 f"{len(worse)} of {mean.heads}", number(largest)]
            )  # fmt: skip
    header = ["context", "rows", "geometric", "of mean errors", "of RMS errors", "heads worse", "largest error of these"]
    return table(header, rows)


def tables(path: Path) -> str:
    content = read_file(path)
    cases, left_out = read_cases([path])
    contexts = contexts_of(cases)
    with_variants = sorted({row["context"] for row in content.get("variants", [])})
    shown = [with_variants[0], with_variants[-1]] if len(with_variants) > 1 else with_variants
    return "\n".join(
        [
            f"Default to {PAPER}, contexts {contexts}\n", summary_table(cases, left_out),
            "Errors of the default\n", error_table(cases),
            "Methods to the default\n", methods_table(cases, left_out),
            "Variants to the default\n", variants_table(content, shown),
            "Default to separate draws\n", separate_table(cases),
            "Worst heads\n", worst_table(cases),
        ]
    )  # fmt: skip


# --- Pictures ------------------------------------------------------------------------------------------------------

TITLE = 'font-size="18" font-weight="bold" fill="#111111"'
NOTE = 'fill="#666666" font-size="12"'
GRID = 'stroke="#e4e4e4"'
AXIS = 'stroke="#333333" stroke-width="1.5"'


def log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**decade for decade in decades for step in (1, 2, 5) if low <= step * 10.0**decade <= high]


def draw_curves(cases: Cases, context: int, text: str) -> str:
    """Geometric mean error against rows read."""
    heads: dict[tuple[str, float], dict[tuple[int, int], Case]] = defaultdict(dict)
    for (place, method), case in cases.items():
        if (place.context, place.text) == (context, text):
            heads[method, place.budget][place.layer, place.head] = case
    budgets = [b for b in sorted({b for _, b in heads}) if all((method, b) in heads for method in LIBRARY)]
    if not budgets:
        raise BadCases(f"no curves for context {context}, {text}")
    # Only heads that all methods reach at all budgets: else a line's points would be means over different heads.
    shared = sorted(set.intersection(*(set(heads[method, budget]) for method in LIBRARY for budget in budgets)))
    curves: dict[str, list[tuple[float, float]]] = {}
    for method in LIBRARY:
        for budget in budgets if shared else []:
            found = [heads[method, budget][head] for head in shared]
            error = math.exp(sum(math.log(max(c.error, ROUNDING)) for c in found) / len(found))
            curves.setdefault(method, []).append((sum(c.rows for c in found) / len(found), error))
    if not curves:
        raise BadCases(f"no curves for context {context}, {text}")
    xs = [x for points in curves.values() for x, _ in points]
    ys = [y for points in curves.values() for _, y in points]
    left, right, top, bottom = 80.0, 620.0, 90.0, 500.0
    low_x, high_x, low_y, high_y = min(xs) * 0.9, max(xs) * 1.1, min(ys) * 0.8, max(ys) * 1.25
    x_of = lambda x: left + (right - left) * math.log(x / low_x) / math.log(high_x / low_x)  # noqa: E731
    y_of = lambda y: bottom - (bottom - top) * math.log(y / low_y) / math.log(high_y / low_y)  # noqa: E731
    svg = Svg(860)
    title = f"Error against value rows read, {context} tokens of {text}"
    svg.text(left, 36, title, TITLE)
    note = f"geometric mean of the relative error over the {len(shared)} heads that every method reaches at all rows"
    svg.text(left, 58, note, NOTE)
    for tick in log_ticks(low_x, high_x):
        svg.line(x_of(tick), top, x_of(tick), bottom, GRID)
        svg.text(x_of(tick), bottom + 20, percent(tick), 'text-anchor="middle"')
    for tick in log_ticks(low_y, high_y):
        svg.line(left, y_of(tick), right, y_of(tick), GRID)
        svg.text(left - 8, y_of(tick) + 4, f"{tick:g}", 'text-anchor="end"')
    svg.line(left, bottom, right, bottom, AXIS)
    svg.line(left, top, left, bottom, AXIS)
    svg.text(left - 52, top - 12, "relative error", NOTE)
    svg.text((left + right) / 2, bottom + 44, "distinct value rows read, union over a group's heads",
             'text-anchor="middle"')  # fmt: skip
    place = top
    for kind, (method, points) in sorted(enumerate(curves.items()), key=lambda item: y_of(item[1][1][-1][1])):
        colour = COLOURS[kind % len(COLOURS)]
        dashes = ' stroke-dasharray="6 4"' if kind >= len(COLOURS) else ""
        svg.path([(x_of(x), y_of(y)) for x, y in points], f'stroke="{colour}" stroke-width="2"{dashes}')
        for x, y in points:
            svg.marker(kind, x_of(x), y_of(y), colour, f"{method}: {number(y)} at {percent(x)}")
        end = y_of(points[-1][1])
        place = max(place + 18, end)
        svg.line(right + 4, end, right + 22, place, f'stroke="{colour}" stroke-opacity="0.6"')
        svg.text(right + 28, place + 4, method, f'fill="{colour}"')
    return svg.page(bottom + 64, title)


def shade(ratio: float) -> str:
    """From dark (0.01 or less) over light (1) to red."""
    if ratio > 1.0:
        part = min(1.0, math.log10(ratio))
        return f"rgb(230,{int(200 - 140 * part)},{int(190 - 140 * part)})"
    part = min(1.0, -math.log10(ratio) / 2.0)
    return f"rgb({int(225 - 205 * part)},{int(238 - 148 * part)},{int(248 - 118 * part)})"


def draw_map(cases: Cases, budget: float = 0.1) -> str:
    """The default's error to the paper's method's, by layer and head, a panel for each context."""
    contexts = contexts_of(cases)
    layers = sorted({place.layer for place, method in cases if method == PAPER})
    heads = sorted({place.head for place, _ in cases})
    cell, gap, top = 17.0, 46.0, 104.0
    svg = Svg(90 + len(contexts) * (len(heads) * cell + gap))
    title = f"Error of {DEFAULT} to {PAPER} at equal rows, {percent(budget)} of n"
    svg.text(50, 36, title, TITLE)
    svg.text(50, 58, "by layer (down) and query head (across), geometric mean over the texts", NOTE)
    for panel, context in enumerate(contexts):
        left = 50 + panel * (len(heads) * cell + gap)
        svg.text(left, top - 22, f"{context} keys", 'font-weight="bold"')
        for column, head in enumerate(heads):
            svg.text(left + (column + 0.5) * cell, top - 5, str(head), 'text-anchor="middle" font-size="10"')
        for row, layer in enumerate(layers):
            if panel == 0:
                svg.text(left - 8, top + (row + 0.75) * cell, str(layer), 'text-anchor="end" font-size="10"')
            for column, head in enumerate(heads):
                pairs = [
                    (cases[place, DEFAULT], cases[place, PAPER])
                    for text in sorted({p.text for p, _ in cases})
                    for place in [Place(context, text, layer, head, budget)]
                    if (place, DEFAULT) in cases and (place, PAPER) in cases
                ]
                colour, hint = "#ffffff", f"layer {layer}, head {head}: not reached"
                if pairs:
                    ratio = compare(pairs).geometric
                    colour, hint = shade(ratio), f"layer {layer}, head {head}: {number(ratio)}"
                x, y = left + column * cell, top + row * cell
                svg.parts.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell - 1:.1f}" height="{cell - 1:.1f}" '
                    f'fill="{colour}" stroke="#cccccc" stroke-width="0.4"><title>{hint}</title></rect>'
                )
    bottom = top + len(layers) * cell + 14
    for i, ratio in enumerate((0.01, 0.03, 0.1, 0.3, 1.0, 3.0)):
        svg.rect(50 + 70 * i, bottom, 18, 14, f'fill="{shade(ratio)}" stroke="#cccccc"')
        svg.text(74 + 70 * i, bottom + 12, f"{ratio:g}")
    return svg.page(bottom + 34, title)


def write(path: Path | None, text: str) -> None:
    if path is None:
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadCases(f"can't write {path}: {error.strerror}") from error


def run(options: argparse.Namespace) -> None:
    if options.command == "merge":
        write(options.output, merge(options.files))
    elif options.command == "tables":
        write(options.output, tables(options.file))
    elif options.command == "check":
        check(options.file)
    else:
        cases, _ = read_cases([options.file])
        write(options.folder / "map.svg", draw_map(cases))
        context = max(place.context for place, method in cases if method == "systematic")
        text = sorted({p.text for p, m in cases if p.context == context and m == "systematic" and p.budget < 0.05})
        write(options.folder / "curves.svg", draw_curves(cases, context, text[-1] if text else cases_text(cases)))


def cases_text(cases: Cases) -> str:
    return sorted({place.text for place, _ in cases})[-1]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    merging = commands.add_parser("merge", help="one file of several")
    merging.add_argument("files", nargs="+", type=Path, metavar="RAW")
    merging.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    for name, what in (("tables", "Markdown"), ("check", "the summary against the cases"), ("pictures", "SVG")):
        command = commands.add_parser(name, help=what)
        command.add_argument("file", type=Path, metavar="RESULTS")
        if name == "tables":
            command.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
        if name == "pictures":
            command.add_argument("--folder", type=Path, required=True, help="where curves.svg and map.svg go")
    try:
        run(parser.parse_args(arguments))
    except BadCases as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
