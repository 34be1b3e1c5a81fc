"""Tests of compare_hosts.py, with programs that only print.

python3 bench/peers/test_compare_hosts.py
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import compare_hosts

SANTA = """
import json, sys
arguments = sys.argv[1:]
value = lambda name: arguments[arguments.index(name) + 1]
few = "--few" in arguments
threads = int(next(a for a in arguments if a.startswith("--kokkos-num-threads=")).split("=")[1])
pages = 0.5 if "--huge-pages" in arguments else 1.0
record = lambda method, score, rescored, us: {
    "method": method, "score_stage": score, "rescored": rescored, "microseconds": us * pages / threads,
    "ceiling_gb_s": 50.0, "ceiling_fraction": 0.5}
records = [record("exact", "bf16", False, 800.0), record("mass-unit", "bf16", False, 400.0)]
if not few: records.append(record("mass-unit", "int4", True, 200.0))
json.dump({"results": records}, open(value("--json"), "w"))
print("done")
"""
GGML = """
import json, sys
if sys.argv[4] == "bf16": sys.exit("no such type")
print(json.dumps({"microseconds": 1600.0 / int(sys.argv[3]), "relative_error": 0.001}))
"""


class CompareTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def program(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return f"{sys.executable} {path}"

    def run_main(self, *arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            code = compare_hosts.main(["--no-torch", "--santa", self.program("santa.py", SANTA), *arguments])
        return code, out.getvalue()

    def test_a_row_a_shape_and_number_of_threads_the_most_threads_first(self) -> None:
        file = self.folder / "all.json"
        code, out = self.run_main("--ggml", self.program("ggml.py", GGML), "--threads", "1,2", "--shapes", "1x8192,4x100",
                                  "--json", str(file))  # fmt: skip
        self.assertEqual(code, 0)
        rows = [line for line in out.splitlines() if line.startswith("| ") and "thread" in line]
        self.assertEqual([row.split(" | ")[0] for row in rows],
                         ["| 1 x 8k, 2 threads", "| 4 x 100, 2 threads", "| 1 x 8k, 1 thread", "| 4 x 100, 1 thread"])  # fmt: skip
        self.assertEqual(rows[0], "| 1 x 8k, 2 threads | 50.0 | 400 (0.50) | 200 (0.50) | - | - | 100 (0.50) | 800 (2.0x) "
                                  "| - | 800 (2.0x) |")  # fmt: skip
        self.assertIn("- ggml bf16 at 1 x 8k, 2 threads: exit code 1: no such type", out)
        kept = json.loads(file.read_text(encoding="utf-8"))
        self.assertEqual({entry["program"] for entry in kept}, {"santa", "ggml f16", "ggml bf16", "ggml q8_0"})

    def test_variants_huge_pages_and_other_numbers_of_threads_are_santas_alone(self) -> None:
        other = self.program("other.py", SANTA.replace("800.0", "600.0"))
        _, out = self.run_main("--ggml", "", "--threads", "2", "--shapes", "1x8192", "--variant", f"far={other}",
                               "--huge-pages", "--curve", "1,4")  # fmt: skip
        for row in ("| as above, huge pages | 1 x 8k, 2 threads | 50.0 | 200 (0.50)", "| far | 1 x 8k, 2 threads | 50.0 | 300",
                    "| far, huge pages | 1 x 8k, 2 threads | 50.0 | 150", "| threads | 1 x 8k, 1 thread | 50.0 | 800",
                    "| threads | 1 x 8k, 4 threads | 50.0 | 200 (0.50) | 100 (0.50) | - | - | - |"):  # fmt: skip
            self.assertIn(row, out)
        self.assertNotIn("ggml", out)

    def test_time_is_limited(self) -> None:
        slow = self.program("ggml.py", "import time\ntime.sleep(30)\n")
        _, out = self.run_main("--ggml", slow, "--threads", "1", "--shapes", "1x64", "--seconds-each", "1.5")
        self.assertIn("- ggml f16 at 1 x 64, 1 thread: more than", out)
        _, out = self.run_main("--ggml", slow, "--threads", "1", "--shapes", "1x64", "--seconds", "0.5")
        self.assertIn("- santa at 1 x 64, 1 thread: no time left", out)

    def test_others_start_without_what_binds_threads(self) -> None:
        tells = """
import json, os, sys
names = sorted(name for name in os.environ if name.startswith(("OMP_", "GOMP_", "KMP_")))
sys.exit(0) if names == ["OMP_NUM_THREADS"] and os.environ["OMP_NUM_THREADS"] == "3" else sys.exit(f"found {names}")
"""
        with mock.patch.dict(os.environ, {"OMP_PROC_BIND": "true", "GOMP_CPU_AFFINITY": "0", "OMP_NUM_THREADS": "7"}):
            _, out = self.run_main("--ggml", self.program("ggml.py", tells), "--threads", "3", "--shapes", "1x64")
        self.assertNotIn("found", out)

    def test_results_are_kept_one_by_one_the_most_threads_and_variants_first(self) -> None:
        file = self.folder / "all.json"
        counts = f"""
import json
print(json.dumps({{"microseconds": len(json.load(open({str(file)!r}))), "relative_error": 0.001}}))
"""
        code, _ = self.run_main("--ggml", self.program("ggml.py", counts), "--threads", "1,2", "--shapes", "1x64",
                                "--curve", "4", "--json", str(file))  # fmt: skip
        self.assertEqual(code, 0)
        kept = json.loads(file.read_text(encoding="utf-8"))
        own = [(entry["threads"], entry.get("variant")) for entry in kept if entry["program"] == "santa"]
        self.assertEqual(own, [(2, None), (4, "threads"), (1, None)])
        seen = [entry["result"]["microseconds"] for entry in kept if entry["program"] == "ggml q8_0"]
        self.assertEqual(seen, [3, 8])

    def test_nothing_at_all_is_a_failure(self) -> None:
        code, out = self.run_main("--santa", str(self.folder / "none"), "--ggml", "", "--threads", "1", "--shapes", "1x64")
        self.assertEqual(code, 1)
        self.assertIn("- santa at 1 x 64, 1 thread: [Errno 2]", out)


if __name__ == "__main__":
    unittest.main()
