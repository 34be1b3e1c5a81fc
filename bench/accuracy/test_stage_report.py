"""Tests of stage_report.py.

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
import stage_report


def record(method: str, error: float, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = {
        "context": 1024, "text": "prose", "layer": 0, "head": 0, "method": method, "budget": 0.25,
        "rows_read_fraction": 0.1, "relative_error": error, "bytes_share": 0.25, "seeds": 8,
    }  # fmt: skip
    return result | changes


def two_layers() -> list[dict[str, Any]]:
    """Errors of 0.01 and 0.04 in layer 0, of 0.16 in layer 1; of full keys 0.02 throughout, at 51 % of the bytes."""
    full = {"bytes_share": 0.51, "budget": 0.5}
    return [
        record("int4-rescored", 0.01), record("int4-rescored", 0.04, head=1), record("int4-rescored", 0.16, layer=1),
        record("bf16", 0.02, **full), record("bf16", 0.02, head=1, **full), record("bf16", 0.02, layer=1, **full),
    ]  # fmt: skip


class StageReportTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def run_main(self, *arguments: str) -> tuple[int, str, str]:
        out, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(errors):
            code = stage_report.main(list(arguments))
        return code, out.getvalue(), errors.getvalue()

    def merged(self, *arguments: str) -> dict[str, Any]:
        code, out, errors = self.run_main("merge", *arguments)
        self.assertEqual((code, errors), (0, ""))
        return json.loads(out)

    def test_means_are_over_heads_of_all_layers_and_texts(self) -> None:
        cases = two_layers()
        code = [record("int4-rescored", 0.16, text="code"), record("int4-rescored", 0.16, text="code", layer=1)]
        content = self.merged("--bytes", self.file("a.json", {"cases": cases}), self.file("b.json", {"cases": code}))
        (case, *_) = [c for c in content["cases"] if c["stage"] == "int4" and c["text"] == "prose"]
        self.assertEqual((case["rescored"], case["layers"], case["heads"]), (True, [0, 1], [2, 1]))
        self.assertEqual((case["geometric"], case["mean"]), ([0.02, 0.16], [0.025, 0.16]))
        (mean,) = [m for m in content["means"] if m["stage"] == "int4"]
        self.assertEqual((mean["heads"], mean["percentile_95"]), (5, 0.16))
        self.assertAlmostEqual(mean["mean"], (0.01 + 0.04 + 3 * 0.16) / 5)
        self.assertAlmostEqual(mean["geometric"], (0.01 * 0.04 * 0.16**3) ** 0.2, places=4)

    def test_means_are_over_the_layers_that_all_stages_have(self) -> None:
        content = self.merged("--bytes", self.file("a.json", {"cases": two_layers()[:-1]}))
        means = {mean["stage"]: mean for mean in content["means"]}
        self.assertEqual((means["int4"]["layers"], means["int4"]["heads"]), (1, 2))
        self.assertEqual((means["int4"]["mean"], means["int4"]["percentile_95"]), (0.025, 0.04))

    def test_the_smallest_share_is_kept_once(self) -> None:
        smaller = [case | {"budget": 0.125} for case in two_layers()[:3]]
        changed = [case | {"budget": 0.0625, "bytes_share": 0.2} for case in smaller]
        content = self.merged("--bytes", self.file("a.json", {"cases": two_layers() + smaller + changed}))
        self.assertEqual([case["budget"] for case in content["cases"] if case["stage"] == "int4"], [0.0625, 0.25])

    def test_tables_name_the_share_where_a_budget_is_out_of_reach(self) -> None:
        content = self.merged("--bytes", self.file("a.json", {"cases": two_layers()}))
        code, out, errors = self.run_main("tables", self.file("merged.json", content))
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("| scores from | 1/2 | 1/4 |", out)
        self.assertIn("| bf16 | 0.02 / 0.02 / 0.02 (at 51 %) |  |", out)
        self.assertIn("| int4, rescored |  | 0.04 / 0.07 / 0.16 |", out)

    def test_errors_at_equal_rows_are_relative_to_full_keys(self) -> None:
        cases = [record("bf16", 0.02, budget=0.1), record("int4-rescored", 0.022, budget=0.1)]
        content = self.merged("--rows", self.file("a.json", {"cases": cases}))
        _, out, _ = self.run_main("tables", self.file("merged.json", content))
        self.assertIn("| 1024 | 10 % | int4, rescored | 25 % | 0.022 | 1.1 | 1.1 | 1.1 |", out)

    def test_check_accepts_what_merge_wrote_and_no_other_means(self) -> None:
        content = self.merged("--bytes", self.file("a.json", {"cases": two_layers()}))
        self.assertEqual(self.run_main("check", self.file("merged.json", content)), (0, "", ""))
        content["means"][0]["mean"] *= 1.01
        code, _, errors = self.run_main("check", self.file("merged.json", content))
        self.assertEqual(code, 2)
        self.assertIn("do not follow", errors)

    def test_a_picture_is_well_formed(self) -> None:
        cases = two_layers() + [record("int4-rescored", 0.001, budget=0.5, bytes_share=0.5, context=2048)]
        content = self.merged("--bytes", self.file("a.json", {"cases": cases}))
        picture = self.folder / "picture.svg"
        code, _, errors = self.run_main("picture", self.file("merged.json", content), "--output", str(picture))
        self.assertEqual((code, errors), (0, ""))
        xml.parse(picture)

    def test_bad_files_are_named(self) -> None:
        one = self.file("a.json", {"cases": two_layers()})
        self.assertIn("in another file too", self.run_main("merge", "--bytes", one, one)[2])
        no_stage = record("mass-unit", 0.1)
        del no_stage["bytes_share"]
        no_stage_file = self.file("b.json", {"cases": [no_stage]})
        self.assertIn("no case of a score stage", self.run_main("merge", "--rows", no_stage_file)[2])
        self.assertEqual(self.run_main("merge")[0], 2)
        self.assertIn("no means", self.run_main("check", one)[2])

    def test_the_committed_means_follow_from_their_cases(self) -> None:
        results = Path(__file__).resolve().parents[2] / "docs" / "accuracy" / "score_stages.json"
        self.assertEqual(self.run_main("check", str(results)), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
