"""Tests of report.py.

python3 -m unittest discover --start-directory bench/accuracy
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import report


def record(method: str, error: float, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = {
        "context": 1024, "text": "prose", "layer": 0, "head": 0, "method": method, "budget": 0.1,
        "rows_read_fraction": 0.1, "relative_error": error, "error_se": 0.01 * error, "one_minus_cosine": error**2,
        "bias_z": 0.5, "seeds": 64,
    }  # fmt: skip
    return result | changes


def two_heads() -> list[dict[str, Any]]:
    """Ratios to the paper's method of 0.1 and 0.4 at 10 %, of 0.3 and 0.3 at 5 %."""
    return [
        record("mass-unit", 0.01), record("fixed-tile-budget", 0.1),
        record("mass-unit", 0.04, head=1), record("fixed-tile-budget", 0.1, head=1),
        record("mass-unit", 0.03, budget=0.05), record("fixed-tile-budget", 0.1, budget=0.05),
        record("mass-unit", 0.03, budget=0.05, head=1), record("fixed-tile-budget", 0.1, budget=0.05, head=1),
    ]  # fmt: skip


class ReportTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name: str, cases: list[dict[str, Any]], **more: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps({"cases": cases} | more), encoding="utf-8")
        return str(path)

    def run_main(self, *arguments: str) -> tuple[int, str, str]:
        out, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(errors):
            code = report.main(list(arguments))
        return code, out.getvalue(), errors.getvalue()

    def merged(self, *files: str) -> dict[str, Any]:
        code, out, errors = self.run_main("merge", *files)
        self.assertEqual((code, errors), (0, ""))
        return json.loads(out)

    def test_summary_is_the_larger_geometric_mean_of_the_budgets(self) -> None:
        summary = self.merged(self.file("a.json", two_heads()))["summary"]
        self.assertEqual(summary[report.SUMMARY], {"1024": 0.3})
        means = {mean["budget"]: mean for mean in summary["means"]}
        self.assertEqual(means[0.1]["geometric"], 0.2)
        self.assertEqual(means[0.1]["arithmetic"], 0.25)
        self.assertEqual(means[0.05]["heads"], 2)

    def test_heads_without_the_other_method_and_odd_budgets_are_left_out(self) -> None:
        more = [
            record("mass-unit", 0.5, head=2),
            record("mass-unit", 0.5, budget=0.01),
            record("fixed-tile-budget", 0.1, budget=0.01),
        ]
        summary = self.merged(self.file("a.json", two_heads() + more))["summary"]
        # Three heads at 10 %, two at 5 %: only the budget of most heads counts, and of them those with both methods.
        self.assertEqual(summary[report.SUMMARY], {"1024": 0.2})

    def test_more_seeds_replace_fewer(self) -> None:
        first = self.file("a.json", two_heads())
        second = self.file("b.json", [record("mass-unit", 0.02, seeds=128), record("mass-unit", 9.0, head=1, seeds=4)])
        for files in ((first, second), (second, first)):
            cases = self.merged(*files)["cases"]
            errors = {(c["head"], c["budget"]): c["relative_error"] for c in cases if c["method"] == "mass-unit"}
            self.assertEqual(errors[0, 0.1], 0.02)
            self.assertEqual(errors[1, 0.1], 0.04)

    def test_cases_are_of_one_model(self) -> None:
        first = self.file("a.json", two_heads(), model="one")
        self.assertEqual(self.merged(first)["model"], "one")
        code, _, errors = self.run_main("merge", first, self.file("b.json", two_heads(), model="other"))
        self.assertEqual(code, 2)
        self.assertIn("several models: 'one', 'other'", errors)

    def test_variants_are_kept_as_means(self) -> None:
        variants = [record("tile-all", 0.008), record("tile-all", 0.05, head=1)]
        merged = self.merged(self.file("a.json", two_heads() + variants))
        self.assertNotIn("tile-all", {case["method"] for case in merged["cases"]})
        (row,) = merged["variants"]
        self.assertEqual((row["geometric"], row["worst"], row["heads"]), (1.0, 1.25, 2))
        self.assertEqual(row["default_within_1.15"], 0.5)

    def test_a_merged_file_gives_what_others_do_not(self) -> None:
        variants = [record("tile-all", 0.008), record("norm", 0.02)]
        before = self.folder / "before.json"
        before.write_text(json.dumps(self.merged(self.file("a.json", two_heads() + variants))), encoding="utf-8")
        again = self.file("b.json", [record("mass-unit", 0.02), record("tile-all", 0.06)])
        merged = self.merged(again, str(before))
        means = {row["variant"]: row["geometric"] for row in merged["variants"]}
        self.assertEqual(means, {"norm": 2.0, "tile-all": 3.0})
        errors = {(c["method"], c["head"], c["budget"]): c["relative_error"] for c in merged["cases"]}
        self.assertEqual(errors["mass-unit", 0, 0.1], 0.02)
        self.assertEqual(errors["mass-unit", 1, 0.1], 0.04)

    def test_check_accepts_what_merge_wrote_and_no_other_summary(self) -> None:
        merged = self.merged(self.file("a.json", two_heads()))
        path = self.folder / "results.json"
        path.write_text(json.dumps(merged), encoding="utf-8")
        self.assertEqual(self.run_main("check", str(path)), (0, "", ""))
        merged["summary"][report.SUMMARY]["1024"] = 0.1
        path.write_text(json.dumps(merged), encoding="utf-8")
        code, _, errors = self.run_main("check", str(path))
        self.assertEqual(code, 2)
        self.assertIn("does not follow from its cases", errors)

    def test_tables_count_heads_that_do_worse_than_separate_draws(self) -> None:
        separate = [record("mass-unit-separate", 0.02), record("mass-unit-separate", 0.02, head=1)]
        left_out = [
            {"context": 1024, "text": "prose", "layer": 1, "kv_head": 0, "method": "fixed-tile-budget", "budget": 0.1}
        ]
        path = self.file("a.json", two_heads() + separate, left_out=left_out)
        code, out, errors = self.run_main("tables", path)
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("| 1024 | 10 % | 1 | 1.25 | 1.46 | 1 of 2 | 0.04 |", out)
        self.assertIn("| 1024 | 10 % | 0.2 | 0.25 | 0.291 | 2 | 1 |", out)

    def test_pictures_are_well_formed(self) -> None:
        cases = two_heads()
        for budget in (0.02, 0.05, 0.1):
            for head in (0, 1):
                cases += [record(m, 0.01 / budget, budget=budget, head=head) for m in report.LIBRARY]
        path = self.file("a.json", cases)
        self.assertEqual(self.run_main("pictures", path, "--folder", str(self.folder)), (0, "", ""))
        for name in ("map.svg", "curves.svg"):
            xml.parse(self.folder / name)

    def test_bad_files_are_named(self) -> None:
        path = self.file("a.json", [{"context": 1}])
        code, _, errors = self.run_main("merge", path)
        self.assertEqual(code, 2)
        self.assertIn("no case", errors)
        self.assertIn("can't read", self.run_main("tables", str(self.folder / "absent"))[2])
        nan = self.file("b.json", [record("mass-unit", float("nan"))])
        self.assertIn("a number that can't be", self.run_main("merge", nan)[2])

    def test_the_committed_summary_follows_from_its_cases(self) -> None:
        folder = Path(__file__).resolve().parents[2] / "docs" / "accuracy"
        for name in ("results.json", "gemma3_270m.json"):
            self.assertEqual(self.run_main("check", str(folder / name)), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
