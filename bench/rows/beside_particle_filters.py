#!/usr/bin/env python3
"""Systematic resampling by public particle-filter libraries, on the log-weights of santa_resampling_bench.

beside_particle_filters.py <folder> [--repeats 5]

The folder is what `santa_resampling_bench <rows> <repeats> <folder>` wrote. particles (a Python package,
compiled by numba) and filterpy (plain Python, up to 10^6 rows) are given log-weights as
the library is: exponentials and their sum are part of the time. Both are on one thread; set OMP_NUM_THREADS=1 for the
library to compare a thread with a thread. Results are checked: each row floor or ceil of n p times, to what sums of
doubles lose.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any, Callable

FILTERPY_MOST = 10**6


def least_seconds(repeats: int, run: Callable[[], Any]) -> tuple[float, Any]:
    """The least time, after one run that compiles, and a result."""
    result, least = run(), math.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        result = run()
        least = min(least, time.perf_counter() - begin)
    return least, result


def is_systematic(ancestors: Any, weights: Any) -> bool:
    import numpy as np

    n = len(weights)
    counts = np.bincount(ancestors, minlength=n)
    return bool((np.abs(counts - n * weights) < 1 + 1e-3).all())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Systematic resampling by public particle-filter libraries.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    import numpy as np
    from filterpy.monte_carlo import systematic_resample
    from particles import resampling

    right = True
    print("| rows | library | ns a row |\n|---|---|---|")
    for path in sorted(options.folder.glob("log_weights.*.f64"), key=lambda path: path.stat().st_size):
        log_weights = np.fromfile(path)
        n = len(log_weights)
        weights = resampling.exp_and_normalise(log_weights)
        runs = [("particles", options.repeats, lambda: resampling.systematic(resampling.exp_and_normalise(log_weights), n))]
        if n <= FILTERPY_MOST:
            runs.append(("filterpy", 1, lambda: systematic_resample(resampling.exp_and_normalise(log_weights))))
        for name, repeats, run in runs:
            seconds, ancestors = least_seconds(repeats, run)
            good = is_systematic(ancestors, weights)
            right = right and good
            print(f"| {n} | {name} | {1e9 * seconds / n:.1f}{'' if good else ' WRONG'} |")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
