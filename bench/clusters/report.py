#!/usr/bin/env python3
"""What santa_cluster_study wrote, as one file and as a table.

    report.py merge CASES... --output clusters.json
    report.py table clusters.json [--context 8192] [--text all]

CASES are its lines, whole or cut: a layer counts where it has all that the other layers
of its capture have. clusters.json holds {"cases": [...], "summary": {"rows": [...]}}:
cases of the recommended method, `clusters`, head by head; and for each context, text
(and `all` of them), method and share of the bytes what its heads come to.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RECOMMENDED = "clusters"
BYTES = ("1/4", "1/6", "1/8", "1/12", "1/16")
# Of a case in the file; what is not of all of them is in the summary.
KEPT = ("context", "text", "layer", "head", "method", "bytes", "bytes_share")
KEPT += ("relative_error", "error_bar", "seeds")

Case = dict[str, Any]


class ReportError(Exception):
    """What the user can mend, in one sentence."""


def read_cases(paths: Iterable[Path]) -> list[Case]:
    cases = []
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                case = json.loads(line)
                case["relative_error"], case["bytes_share"]
            except (ValueError, KeyError, TypeError) as error:
                raise ReportError(f"{path}: line {number} is no case: {error}") from error
            cases.append(case)
    return cases


def whole_layers(cases: list[Case]) -> list[Case]:
    """Leave out layers that lack what others of the same capture have."""
    has: dict[tuple[int, str], dict[int, set[tuple[str, str, int]]]]
    has = defaultdict(lambda: defaultdict(set))
    for case in cases:
        of_layer = has[case["context"], case["text"]][case["layer"]]
        of_layer.add((case["method"], case["bytes"], case["head"]))
    most = {capture: set().union(*layers.values()) for capture, layers in has.items()}
    return [
        case
        for case in cases
        for capture in [(case["context"], case["text"])]
        if has[capture][case["layer"]] == most[capture]
    ]


def summarise(cases: list[Case]) -> list[dict[str, Any]]:
    groups: dict[tuple[int, str, str, str], list[Case]] = defaultdict(list)
    for case in cases:
        for text in (case["text"], "all"):
            key = (case["context"], text, case["method"], case["bytes"])
            groups[key].append(case)
    rows = []
    for (context, text, method, share), group in groups.items():
        errors = [case["relative_error"] for case in group]
        within = [case["within"] for case in group if case["within"] is not None]
        rows.append(
            {
                "context": context,
                "text": text,
                "method": method,
                "bytes": share,
                "heads": len(group),
                "layers": len({case["layer"] for case in group}),
                "bytes_share": round(mean([case["bytes_share"] for case in group]), 4),
                "mean": round(mean(errors), 4),
                "geometric_mean": round(geometric_mean(errors), 4),
                "worst": round(max(errors), 4),
                "worse_than_half": sum(error > 0.5 for error in errors),
                "within": round(mean(within), 3) if within else None,
            }
        )
    rows.sort(key=lambda r: (r["context"], r["text"], r["method"], BYTES.index(r["bytes"])))
    return rows


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def geometric_mean(values: list[float]) -> float:
    return math.exp(mean([math.log(max(value, 1e-9)) for value in values]))


def merge(arguments: argparse.Namespace) -> None:
    cases = whole_layers(read_cases(arguments.files))
    if not cases:
        raise ReportError("no layer is whole; accepted: lines of santa_cluster_study")
    models = {case["model"] for case in cases}
    kept = [{k: c[k] for k in KEPT} for c in cases if c["method"] == RECOMMENDED]
    kept.sort(key=lambda c: (c["context"], c["text"], c["layer"], c["head"], c["bytes"]))
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in kept)
    rows = ",\n".join(json.dumps(row) for row in summarise(cases))
    arguments.output.write_text(
        f'{{"model": {json.dumps(" ".join(sorted(models)))},\n"summary": {{"rows": [\n'
        f'{rows}]}},\n"cases": [\n{lines}]}}\n'
    )
    print(f"{arguments.output}: {len(kept)} cases of {len(cases)}")


def table(arguments: argparse.Namespace) -> None:
    rows = json.loads(arguments.file.read_text())["summary"]["rows"]
    rows = [
        row
        for row in rows
        if (row["context"], row["text"]) == (arguments.context, arguments.text)
    ]
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        cell = f"{row['mean']:.3f} / {row['geometric_mean']:.3f} / {row['worst']:.2f}"
        cells[row["method"]][row["bytes"]] = cell
    print("| | " + " | ".join(BYTES) + " |")
    print("|---|" + "---|" * len(BYTES))
    for method, by_share in cells.items():
        print(f"| {method} | " + " | ".join(by_share.get(b, "-") for b in BYTES) + " |")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("merge")
    command.add_argument("files", type=Path, nargs="+")
    command.add_argument("--output", type=Path, required=True)
    command.set_defaults(run=merge)
    command = commands.add_parser("table")
    command.add_argument("file", type=Path)
    command.add_argument("--context", type=int, default=8192)
    command.add_argument("--text", default="all")
    command.set_defaults(run=table)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except (ReportError, OSError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
