#!/usr/bin/env python3
"""Times decode attention on a host beside other programs', in one run: a table and JSON.

  bench/peers/build.sh build/peers GGML-CHECKOUT          once: santa_hosts and ggml_attention
  bench/peers/compare_hosts.py --threads 2,16 --json hosts.json --output hosts.md

One decode step, 32 query heads on 8 kv heads of 128, scores of standard deviation 3, token-major, over copies of the cache in
turn that no cache of the machine holds. santa: bf16 (santa_hosts). ggml: f16, bf16, q8_0 (ggml_attention). PyTorch: bf16,
its own grouping of heads and a group's heads as rows (torch_attention.py); left out where there is no PyTorch. A program that
fails, or takes too long, is a dash, and is named below the table.

--variant NAME=PROGRAM adds santa_hosts compiled otherwise, --huge-pages each of them again in huge pages; both are about
santa alone, as is --curve: Exact and MassUnit by numbers of threads, for the last shape. They come after the most threads
and before fewer, and the JSON is written after each program, as a run may be cut short.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PEERS = ("ggml f16", "ggml bf16", "ggml q8_0", "PyTorch, GQA", "PyTorch, heads as rows")
OWN = (
    ("exact", ("exact", "bf16", False)), ("mass-unit", ("mass-unit", "bf16", False)),
    ("systematic", ("systematic", "bf16", False)), ("int8 rescored", ("mass-unit", "int8", True)),
    ("int4 rescored", ("mass-unit", "int4", True)),
)  # fmt: skip


class Case(NamedTuple):
    batch: int
    length: int
    threads: int

    def __str__(self) -> str:
        length = f"{self.length // 1024}k" if self.length % 1024 == 0 else str(self.length)
        return f"{self.batch} x {length}, {self.threads} thread" + ("s" if self.threads > 1 else "")


class Runner:
    """Runs programs until the time is over; keeps what was wrong with them."""

    def __init__(self, seconds: float, of_one: float) -> None:
        self.end = time.monotonic() + seconds
        self.of_one = of_one
        self.troubles: list[str] = []

    def run(self, name: str, command: list[str], threads: int, bound: bool = False) -> str | None:
        """What it prints, None where it prints nothing. `bound`: OpenMP's threads each stay on a core; programs that
        start others would have them all on the first one's."""
        left = min(self.of_one, self.end - time.monotonic())
        if left <= 1.0:
            self.troubles.append(f"{name}: no time left")
            return None
        # Threads that a caller's variables bind would leave ggml's and PyTorch's all on one core.
        others = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
        environment = others | {"OMP_NUM_THREADS": str(threads)}
        if bound:
            environment |= {"OMP_PROC_BIND": "spread", "OMP_PLACES": "cores"}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left, env=environment)
        except subprocess.TimeoutExpired:
            self.troubles.append(f"{name}: more than {left:.0f} s")
            return None
        except OSError as error:
            self.troubles.append(f"{name}: {error}")
            return None
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or [""]
            self.troubles.append(f"{name}: exit code {done.returncode}: {lines[-1][:200]}")
        return done.stdout if done.stdout.strip() else None


class Results:
    """What was measured, kept in a file from the first of it on."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.entries: list[dict[str, object]] = []

    def add(self, entry: dict[str, object]) -> None:
        self.entries.append(entry)
        if self.file:
            Path(self.file).write_text(json.dumps(self.entries, indent=1) + "\n", encoding="utf-8")


def run_own(runner: Runner, name: str, command: list[str], case: Case, options: argparse.Namespace,
            extra: list[str]) -> list[dict[str, object]]:
    """Records of santa_hosts, as it writes them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        shape = f"{case.batch},32,8,{case.length},128"
        runner.run(f"{name} at {case}",
                   [*command, "--shape", shape, "--repeats", str(options.repeats), "--bytes", f"{options.bytes:g}",
                    "--json", str(file), f"--kokkos-num-threads={case.threads}", *extra], case.threads, bound=True)  # fmt: skip
        if not file.exists():
            return []
        return json.loads(file.read_text(encoding="utf-8"))["results"]


def run_peer(runner: Runner, peer: str, case: Case, options: argparse.Namespace) -> dict[str, object] | None:
    name, form = peer.split(" ", 1)
    if name == "ggml":
        command = [*shlex.split(options.ggml), *map(str, (case.batch, case.length, case.threads)), form]
    else:
        form = "gqa" if form == "GQA" else "rows"
        script = str(HERE / "torch_attention.py")
        command = [sys.executable, script, *map(str, (case.batch, case.length, case.threads)), form]
    text = runner.run(f"{peer} at {case}", [*command, str(options.repeats), f"{options.bytes:g}"], case.threads)
    try:
        return json.loads(text.splitlines()[-1]) if text else None
    except json.JSONDecodeError:
        runner.troubles.append(f"{peer} at {case}: printed {text[:80]!r}")
        return None


def microseconds(records: list[dict[str, object]], wanted: tuple[str, str, bool]) -> float | None:
    for r in records:
        if (r["method"], r["score_stage"], r["rescored"]) == wanted:
            return float(r["microseconds"])  # type: ignore[arg-type]
    return None


def own_cells(records: list[dict[str, object]]) -> list[str]:
    """Microseconds and the part of the ceiling."""
    cells = []
    for _, wanted in OWN:
        time_of = microseconds(records, wanted)
        part = [r["ceiling_fraction"] for r in records if (r["method"], r["score_stage"], r["rescored"]) == wanted]
        cells.append("-" if time_of is None else f"{time_of:.0f} ({part[0]:.2f})")
    return cells


def table(heading: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def ceiling_of(records: list[dict[str, object]]) -> str:
    return f"{records[0]['ceiling_gb_s']:.1f}" if records else "-"


def compare(runner: Runner, cases: list[Case], peers: list[str], options: argparse.Namespace,
            results: Results) -> list[list[str]]:
    """Rows of the table."""
    rows = []
    for case in cases:
        records = run_own(runner, "santa", shlex.split(options.santa), case, options, [])
        results.add({"program": "santa", **case._asdict(), "records": records})
        exact = microseconds(records, OWN[0][1])
        cells = []
        for peer in peers:
            result = run_peer(runner, peer, case, options)
            results.add({"program": peer, **case._asdict(), "result": result})
            if not result:
                cells.append("-")
                continue
            time_of = float(result["microseconds"])  # type: ignore[arg-type]
            cells.append(f"{time_of:.0f}" + (f" ({time_of / exact:.1f}x)" if exact else ""))
        rows.append([str(case), ceiling_of(records), *own_cells(records), *cells])
        print("| " + " | ".join(rows[-1]) + " |", file=sys.stderr, flush=True)
    return rows


def vary(runner: Runner, cases: list[Case], options: argparse.Namespace, results: Results) -> list[str]:
    """santa alone: otherwise compiled, in huge pages, with other numbers of threads."""
    programs = [("as above", options.santa)] + [tuple(v.split("=", 1)) for v in options.variant]
    pages = [("", [])] + ([(", huge pages", ["--huge-pages"])] if options.huge_pages else [])
    tried = [(name + suffix, shlex.split(command), extra, case)
             for case in cases for name, command in programs for suffix, extra in pages
             if (name, suffix) != ("as above", "")]  # fmt: skip
    last = cases[-1]
    tried += [("threads", shlex.split(options.santa), ["--few"], last._replace(threads=n)) for n in options.curve]
    rows = []
    for name, command, extra, case in tried:
        records = run_own(runner, name, command, case, options, extra)
        results.add({"program": "santa", "variant": name, **case._asdict(), "records": records})
        rows.append([name, str(case), ceiling_of(records), *own_cells(records)])
        print("| " + " | ".join(rows[-1]) + " |", file=sys.stderr, flush=True)
    return ["", *table(["variant", "shape", "ceiling, GB/s", *(name for name, _ in OWN)], rows)] if rows else []


def numbers(text: str) -> list[int]:
    values = [int(part) for part in text.split(",") if part]
    if min(values, default=1) < 1:
        raise argparse.ArgumentTypeError(f"{text}: numbers from 1 on, with commas between them")
    return values


def shapes(text: str) -> list[tuple[int, int]]:
    pairs = [part.split("x") for part in text.split(",")]
    if any(len(pair) != 2 for pair in pairs):
        raise argparse.ArgumentTypeError(f"{text}: batch and length, as 1x8192,4x32768")
    return [(int(batch), int(length)) for batch, length in pairs]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = HERE.parent.parent / "build" / "peers"
    run = str(folder / "run")
    parser.add_argument("--santa", default=f"{run} {folder / 'santa_hosts'}", metavar="COMMAND")
    parser.add_argument("--ggml", default=f"{run} {folder / 'ggml_attention'}", metavar="COMMAND", help="empty: left out")
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--huge-pages", action="store_true")
    parser.add_argument("--threads", type=numbers, default=[2, 16], metavar="N,...")
    parser.add_argument("--curve", type=numbers, default=[], metavar="N,...")
    parser.add_argument("--shapes", type=shapes, default=[(1, 8192), (1, 32768), (4, 32768)], metavar="BxL,...")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bytes", type=float, default=2.4e9, help="of all copies of a cache, at least (2.4e9)")
    parser.add_argument("--seconds", type=float, default=460.0, help="for everything (460)")
    parser.add_argument("--seconds-each", type=float, default=60.0, help="for one program at one shape (60)")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--output", metavar="FILE", help="where the tables go (standard output)")
    options = parser.parse_args(arguments)
    for variant in options.variant:
        if "=" not in variant:
            parser.error(f"--variant {variant}: expected NAME=COMMAND")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    runner = Runner(options.seconds, options.seconds_each)
    peers = [p for p in PEERS if options.ggml or not p.startswith("ggml")]
    if options.no_torch or importlib.util.find_spec("torch") is None:
        peers = [p for p in peers if not p.startswith("PyTorch")]
    results = Results(options.json)
    most = [Case(batch, length, max(options.threads)) for batch, length in options.shapes]
    rows = compare(runner, most, peers, options, results)
    varied = vary(runner, most[:2], options, results)
    for threads in sorted(set(options.threads) - {max(options.threads)}, reverse=True):
        rows += compare(runner, [case._replace(threads=threads) for case in most], peers, options, results)
    lines = ["Microseconds a step: of santa (part of the read ceiling), of others (how many times Exact's).", "",
             *table(["shape", "ceiling, GB/s", *(name for name, _ in OWN), *peers], rows), *varied]  # fmt: skip
    if runner.troubles:
        lines += ["", *(f"- {trouble}" for trouble in runner.troubles)]
    text = "\n".join(lines) + "\n"
    if options.output:
        Path(options.output).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0 if any(entry.get("records") or entry.get("result") for entry in results.entries) else 1


if __name__ == "__main__":
    sys.exit(main())
