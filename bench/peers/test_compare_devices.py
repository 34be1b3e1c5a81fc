"""Tests of compare_devices.py.

python3 bench/peers/test_compare_devices.py
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import compare_devices


def record(program: str, microseconds: float | None, problem: str = "1 x 8k", **changes: Any) -> dict[str, Any]:
    """Of a program that reads 100 MB under a ceiling of 1000 GB/s: 100 us at least."""
    result = {"problem": problem, "draw": 0, "program": program, "microseconds": microseconds, "bytes": 100_000_000,
              "ceiling_gb_s": 1000.0, "relative_error": 0.001}  # fmt: skip
    return result | changes


class CompareTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, *records: dict[str, Any], name: str = "a.json", device: str = "card") -> str:
        path = self.folder / name
        path.write_text(json.dumps({"device": device, "results": list(records)}), encoding="utf-8")
        return str(path)

    def run_main(self, *arguments: str) -> tuple[int, str, str]:
        out, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(errors):
            code = compare_devices.main(list(arguments))
        return code, out.getvalue(), errors.getvalue()

    def rows(self, *files: str) -> list[list[str]]:
        code, out, errors = self.run_main(*files)
        self.assertEqual((code, errors), (0, ""))
        return [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("| ")]

    def test_cells_are_time_part_of_the_ceiling_and_speed_against_the_fastest_of_the_others(self) -> None:
        first = self.file(record("santa Exact", 125.0), record("santa MassUnit 10 %", 62.5, bytes=55_000_000,
                                                               relative_error=0.05),
                          record("FlashInfer, cores", 250.0))  # fmt: skip
        second = self.file({"problem": "1 x 8k", "draw": 0, "program": "cuDNN", "microseconds": 200.0,
                            "relative_error": 0.002}, name="b.json")  # fmt: skip
        self.assertEqual(self.rows(first, second), [
            ["problem", "ceiling, GB/s", "santa Exact", "santa MassUnit 10 %", "FlashInfer, cores", "cuDNN"],
            ["1 x 8k", "1000", "125.0 (0.80; 1.60)", "62.5 (0.88; 3.20)", "250.0 (0.40; 0.80)", "200.0 (0.50; 1.00)"],
        ])  # fmt: skip

    def test_draws_are_a_mean_and_all_are_needed(self) -> None:
        exact = [record("santa Exact", 100.0 * (2 + draw), "ragged-log", draw=draw) for draw in range(2)]
        both = [record("FlashInfer, cores", 500.0, "ragged-log", draw=draw) for draw in range(2)]
        one = record("FlashInfer, tensor cores", 500.0, "ragged-log")
        code, out, _ = self.run_main(self.file(*exact, *both, one))
        self.assertEqual(code, 0)
        self.assertIn("| ragged-log | 1000 | 250.0 (0.40; 2.00) | 500.0 (0.20; 1.00) | - |", out)
        self.assertIn("- FlashInfer, tensor cores at ragged-log: not all draws were measured", out)

    def test_what_did_not_run_is_wrong_or_too_fast_is_a_dash_and_sets_no_speed(self) -> None:
        code, out, _ = self.run_main(self.file(
            record("santa Exact", 200.0), record("A", None, reason="no such kernel"), record("B", 150.0, relative_error=0.5),
            record("C", 150.0, relative_error=None), record("D", 90.0), record("E", 400.0)))  # fmt: skip
        self.assertEqual(code, 0)
        self.assertIn("| 1 x 8k | 1000 | 200.0 (0.50; 2.00) | - | - | - | - | 400.0 (0.25; 1.00) |", out)
        for trouble in ("- A at 1 x 8k: not run: no such kernel", "- B at 1 x 8k: wrong: outputs differ by 0.5",
                        "- C at 1 x 8k: wrong", "- D at 1 x 8k: above its ceiling (1.11 of it)"):  # fmt: skip
            self.assertIn(trouble, out)

    def test_a_problem_that_a_program_does_not_take_is_a_dash_without_a_word(self) -> None:
        code, out, _ = self.run_main(self.file(record("santa Exact", 200.0), record("A", 100.0),
                                               record("santa Exact", 200.0, "tokens-4")))  # fmt: skip
        self.assertEqual(code, 0)
        self.assertTrue(out.endswith("| tokens-4 | 1000 | 200.0 (0.50) | - |\n"), out)

    def test_files_that_can_not_be_compared_are_refused(self) -> None:
        good = self.file(record("santa Exact", 200.0))
        other = self.file(record("A", 200.0), name="b.json", device="another")
        code, _, errors = self.run_main(good, other)
        self.assertEqual(code, 1)
        self.assertIn("b.json is of another, the file before of card", errors)
        code, _, errors = self.run_main(self.file(record("A", 200.0), name="c.json"))
        self.assertEqual(code, 1)
        self.assertIn("1 x 8k: no record of santa Exact", errors)
        code, _, errors = self.run_main(str(self.folder / "none.json"))
        self.assertEqual(code, 1)
        self.assertIn("none.json", errors)

    def test_the_table_goes_to_a_file(self) -> None:
        table = self.folder / "table.md"
        code, out, _ = self.run_main(self.file(record("santa Exact", 200.0)), "--output", str(table))
        self.assertEqual((code, out), (0, ""))
        self.assertIn("| 1 x 8k |", table.read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
