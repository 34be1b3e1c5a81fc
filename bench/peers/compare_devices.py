#!/usr/bin/env python3
"""One table of beside_flashinfer and torch_device.py, run one after the other on one GPU.

  build/peers-cuda/beside_flashinfer --json flashinfer.json && bench/peers/torch_device.py --json torch.json
  bench/peers/compare_devices.py flashinfer.json torch.json --output table.md

A cell is microseconds (part of the streaming-read ceiling by the bytes that a program must read; its speed against the
fastest of the others' programs, all exact). Bytes and ceiling are those that beside_flashinfer found for the problem;
batches of several draws of lengths are their mean. A program that did not run, or whose output was wrong, is a dash,
and is named below the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_OF_CEILING = 1.02  # as CeilingCheck in ceiling.hpp
MOST_ERROR = 0.01  # as Records in device/records.hpp
OWN = "santa "


class BadResults(Exception):
    """What is wrong with a file, for people."""


@dataclass
class Cell:
    """The mean over draws."""

    microseconds: float = 0.0
    part: float = 0.0
    trouble: str = ""


def is_exact(program: str) -> bool:
    return "MassUnit" not in program


def mean(records: list[dict[str, Any]], of_problem: dict[int, dict[str, Any]]) -> Cell:
    """`of_problem`: Exact's record of each draw, for what the program's own does not tell."""
    for r in records:
        if r.get("microseconds") is None:
            return Cell(trouble=f"not run: {r.get('reason', 'unknown')}")
        error = r.get("relative_error")
        if is_exact(r["program"]) and not (error is not None and error < MOST_ERROR):
            return Cell(trouble=f"wrong: outputs differ by {error}")
    if {r["draw"] for r in records} != set(of_problem):
        return Cell(trouble="not all draws were measured")
    count = len(records)
    time = sum(r["microseconds"] for r in records) / count
    least = sum(r.get("bytes", of_problem[r["draw"]]["bytes"]) / (1e3 * of_problem[r["draw"]]["ceiling_gb_s"])
                for r in records) / count  # fmt: skip
    if least / time > MOST_OF_CEILING:
        return Cell(trouble=f"above its ceiling ({least / time:.2f} of it): a cache held the data")
    return Cell(time, least / time)


def read(files: list[str]) -> tuple[str, list[dict[str, Any]]]:
    """The device, and the records of all files. Errors: BadResults."""
    device, records = "", []
    for file in files:
        try:
            content = json.loads(Path(file).read_text(encoding="utf-8"))
            name, results = content["device"], content["results"]
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise BadResults(f"{file}: {error!r}; a file of beside_flashinfer or torch_device.py is accepted") from error
        if device not in ("", name):
            raise BadResults(f"{file} is of {name}, the file before of {device}; times of one device are compared")
        device = name
        records += results
    return device, records


def tables(device: str, records: list[dict[str, Any]]) -> list[str]:
    """Errors: BadResults."""
    problems = list(dict.fromkeys(r["problem"] for r in records))
    programs = list(dict.fromkeys(r["program"] for r in records))
    lines = [f"{device}: us (part of the ceiling; speed against the fastest of the others').", "",
             "| problem | ceiling, GB/s | " + " | ".join(programs) + " |", "|" + "---|" * (2 + len(programs))]  # fmt: skip
    troubles = []
    for problem in problems:
        of_problem = {r["draw"]: r for r in records if r["problem"] == problem and r["program"] == OWN + "Exact"}
        if not of_problem:
            raise BadResults(f"{problem}: no record of {OWN}Exact, which tells its bytes and ceiling")
        cells = {}
        for program in programs:
            own = [r for r in records if (r["problem"], r["program"]) == (problem, program)]
            if own:
                cells[program] = mean(own, of_problem)
        fastest = min((c.microseconds for p, c in cells.items() if not p.startswith(OWN) and not c.trouble), default=None)
        row = [problem, f"{sum(r['ceiling_gb_s'] for r in of_problem.values()) / len(of_problem):.0f}"]
        for program in programs:
            cell = cells.get(program)
            if cell is None or cell.trouble:
                row.append("-")
                if cell:
                    troubles.append(f"- {program} at {problem}: {cell.trouble}")
                continue
            speed = f"; {fastest / cell.microseconds:.2f}" if fastest else ""
            row.append(f"{cell.microseconds:.1f} ({cell.part:.2f}{speed})")
        lines.append("| " + " | ".join(row) + " |")
    return lines + (["", *troubles] if troubles else [])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--output", metavar="FILE", help="where the table goes (standard output)")
    options = parser.parse_args(arguments)
    try:
        text = "\n".join(tables(*read(options.files))) + "\n"
    except BadResults as error:
        print(f"compare_devices.py: {error}", file=sys.stderr)
        return 1
    if options.output:
        Path(options.output).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
