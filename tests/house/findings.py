"""What the checks of this folder find."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable, NamedTuple


class Finding(NamedTuple):
    place: str  # file:line
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: [{self.rule}] {self.text}"


def run(check: Callable[[Path], list[Finding]]) -> int:
    """Checks the folder that the command line names, or this repository; prints what is found. Returns the exit code."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    findings = check(root.resolve())
    for finding in findings:
        print(finding)
    return 1 if findings else 0
