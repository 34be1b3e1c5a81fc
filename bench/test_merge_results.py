"""Tests of merge_results.py.

python3 -m unittest discover --start-directory bench
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import merge_results


def record(method: str = "exact", efficiency: float = 0.5, **changes: Any) -> dict[str, Any]:
    """A method that reads 100 MB under a ceiling of 1000 GB/s."""
    result: dict[str, Any] = {
        "method": method, "score_stage": "bf16", "rescored": False, "batch": 1, "length": 8192, "heads": 32,
        "kv_heads": 8, "dim": 128, "dtype": "bf16", "samples": None, "rows_budget": None, "rows_read_fraction": 1.0,
        "microseconds": 100.0 / efficiency, "bytes_read": 100_000_000, "ceiling_gb_s": 1000.0,
        "ceiling_fraction": efficiency, "speedup_over_exact": 1.0, "relative_error": 0.0,
    }  # fmt: skip
    return result | changes


def results(device: str, *records: dict[str, Any], backend: str = "Cuda") -> dict[str, Any]:
    return {"device": device, "backend": backend, "date": "2026-11-24", "results": list(records)}


class MergeTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name: str, content: object) -> str:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    def run_main(self, *arguments: str) -> tuple[int, str, str]:
        out, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(errors):
            code = merge_results.main(list(arguments))
        return code, out.getvalue(), errors.getvalue()

    def test_scores_from_narrow_keys_are_methods_of_their_own_and_so_are_rescored_ones(self) -> None:
        narrow = results(
            "card",
            record("mass-unit", 0.5),
            record("mass-unit", 0.4, score_stage="int4"),
            record("mass-unit", 0.3, score_stage="int4", rescored=True),
        )
        code, out, errors = self.run_main(self.file("a.json", narrow))
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("| platform | mass-unit |\n", out)
        self.assertIn("| platform | int4 | int4, rescored |\n", out)
        self.assertIn("| 32/8/128, 1 x 8k | card, Cuda | 250 (0.40) | 333 (0.30) |\n", out)

    def test_the_layout_counts_by_which_a_method_is_faster(self) -> None:
        both = [record("mass-unit", e, layout=name) for name, e in (("token-major", 0.4), ("head-major", 0.5))]
        code, out, _ = self.run_main(self.file("a.json", results("card", record(efficiency=0.8), *both)))
        self.assertEqual(code, 0)
        self.assertIn("| 125 (0.80; 1.00x) | 200h (0.50; 0.62x) |", out)

    def test_a_host_is_a_platform_for_each_number_of_threads(self) -> None:
        paths = [
            self.file(f"{n}.json", results("cpu", record(efficiency=0.5), backend="OpenMP") | {"threads": n})
            for n in (1, 16)
        ]
        code, out, errors = self.run_main(*paths)
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("- Platforms: cpu, OpenMP, 1 thread; cpu, OpenMP, 16 threads\n", out)

    def two_files(self) -> list[str]:
        first = results("card", record(efficiency=0.8), record("mass-unit", 0.4))
        second = results("host", record(efficiency=0.2), record("mass-unit", 0.4), backend="OpenMP")
        return [self.file("a.json", first), self.file("b.json", second)]


class TableTest(MergeTest):
    def test_portability_is_the_harmonic_mean(self) -> None:
        self.assertAlmostEqual(merge_results.performance_portability([0.8, 0.2]) or 0.0, 0.32)
        self.assertEqual(merge_results.performance_portability([0.8, 0.0]), 0.0)
        self.assertIsNone(merge_results.performance_portability([0.8, None]))
        self.assertIsNone(merge_results.performance_portability([]))

    def test_platforms_are_merged_into_one_table(self) -> None:
        code, out, _ = self.run_main(*self.two_files())
        self.assertEqual(code, 0)
        self.assertIn("| 32/8/128, 1 x 8k | card, Cuda | 125 (0.80; 1.00x) | 250 (0.40; 0.50x) |", out)
        self.assertIn("|  | host, OpenMP | 500 (0.20; 1.00x) | 250 (0.40; 2.00x) |", out)
        self.assertIn("| method | **PP** | card, Cuda | host, OpenMP |\n", out)
        self.assertIn("| exact | **0.32** | 0.80 | 0.20 |\n| mass-unit | **0.40** | 0.40 | 0.40 |\n", out)
        self.assertIn("- Problem: one decode step of 32/8/128, 1 x 8k\n", out)

    def test_portability_is_of_the_usual_geometry_where_all_have_it(self) -> None:
        def other(efficiency: float) -> dict[str, Any]:
            return record(efficiency=efficiency, heads=8, kv_heads=1, dim=256)

        first = self.file("a.json", results("card", record(efficiency=0.8), other(0.5), record(batch=4)))
        second = self.file("b.json", results("host", record(efficiency=0.2), other(0.5), backend="OpenMP"))
        _, out, _ = self.run_main(first, second)
        self.assertIn("| exact | **0.32** | 0.80 | 0.20 |\n", out)
        self.assertIn("- Problem: one decode step of 32/8/128, 1 x 8k\n", out)

    def test_ragged_batches_are_rows_of_their_own_below_even_ones(self) -> None:
        ragged = [record(efficiency=e, scenario=name) for name, e in (("ragged-one", 0.7), ("ragged-log", 0.9))]
        path = self.file("a.json", results("card", *ragged, record(batch=4)))
        code, out, errors = self.run_main(path, "--svg", str(self.folder / "a.svg"))
        self.assertEqual((code, errors), (0, ""))
        labels = [line.split(" | ")[0] for line in out.splitlines() if line.startswith("| 32/8/128")]
        shape = "| 32/8/128, 1 x 8k"
        self.assertEqual(labels, ["| 32/8/128, 4 x 8k", shape + ", ragged-log", shape + ", ragged-one"])
        self.assertNotIn("ragged", (self.folder / "a.svg").read_text(encoding="utf-8"))

    def test_a_scenario_is_a_name_and_a_picture_needs_an_even_batch(self) -> None:
        path = self.file("a.json", results("card", record(scenario=3)))
        self.assertIn('"scenario" is 3', self.run_main(path)[2])
        path = self.file("a.json", results("card", record(scenario="ragged-one")))
        code, _, errors = self.run_main(path, "--svg", str(self.folder / "a.svg"))
        self.assertNotEqual(code, 0)
        self.assertIn("no results for it, of batches whose requests have one length", errors)

    def test_what_one_does_not_support_has_no_portability(self) -> None:
        paths = [
            self.file("a.json", results("card", record(), record("systematic", 0.4))),
            self.file("b.json", results("host", record(), record("systematic", microseconds=None, reason="no room"))),
        ]
        code, out, _ = self.run_main(*paths)
        self.assertEqual(code, 0)
        self.assertIn("not supported", out)
        self.assertIn("| systematic | **0.00** | 0.40 | 0.00 |\n", out)

    def test_what_one_has_not_measured_is_left_out(self) -> None:
        paths = [
            self.file("a.json", results("card", record(), record("systematic", 0.4), record(batch=4))),
            self.file("b.json", results("host", record())),
        ]
        _, out, _ = self.run_main(*paths)
        self.assertIn("| exact | **0.50** | 0.50 | 0.50 |\n", out)
        self.assertNotIn("| systematic | **", out)

    def test_predictions_are_marked_and_not_part_of_portability(self) -> None:
        code, out, _ = self.run_main(*self.two_files(), "--predict", "small card=250")
        self.assertEqual(code, 0)
        self.assertIn("*500 (0.80; 1.00x)*", out)  # 100 MB at 0.8 of 250 GB/s
        self.assertIn("*small card at 250 GB/s: a prediction*, not measured", out)
        self.assertIn("| exact | **0.32** | 0.80 | 0.20 |\n", out)

    def test_the_committed_results_can_be_merged(self) -> None:
        code, out, errors = self.run_main()
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("H100", out)


class PictureTest(MergeTest):
    def test_the_picture_has_a_mark_for_each_result(self) -> None:
        picture = self.folder / "out.svg"
        code, _, _ = self.run_main(*self.two_files(), "--svg", str(picture), "--output", str(self.folder / "table.md"))
        self.assertEqual(code, 0)
        titles = [e.text or "" for e in xml.parse(picture).iter("{http://www.w3.org/2000/svg}title")]
        self.assertEqual(sum("32/8/128, 1 x 8k" in title for title in titles), 4)
        text = picture.read_text(encoding="utf-8")
        self.assertEqual(text.count(">exact<"), 1)  # in the legend
        self.assertEqual(text.count(">1000 GB/s<"), 2)
        self.assertNotIn(">systematic<", text)  # which none has

    def test_narrow_keys_have_a_picture_of_their_own(self) -> None:
        picture, narrow = self.folder / "out.svg", self.folder / "narrow.svg"
        by_codes = [record("mass-unit", 0.4, score_stage=scores, rescored=True) for scores in ("int8", "bernoulli")]
        path = self.file("a.json", results("card", record(efficiency=0.2), record("mass-unit", 0.3), *by_codes))
        plain = self.file("b.json", results("host", record(), backend="OpenMP"))
        self.assertEqual(self.run_main(path, plain, "--svg", str(picture), "--narrow-svg", str(narrow))[0], 0)
        self.assertNotIn("int8", picture.read_text(encoding="utf-8"))
        text = narrow.read_text(encoding="utf-8")
        self.assertIn("<title>int8, rescored, 32/8/128, 1 x 8k: 250 us, 0.40 of 1000 GB/s</title>", text)
        self.assertNotIn("bernoulli", text)  # no keys: a choice of features
        self.assertNotIn("host", text)

    def test_a_picture_of_nothing_is_an_error(self) -> None:
        path = self.file("a.json", results("card", record()))
        code, _, errors = self.run_main(path, "--narrow-svg", str(self.folder / "narrow.svg"))
        self.assertEqual(code, 2)
        self.assertIn("narrow.svg: no results for it", errors)

    def test_names_are_escaped(self) -> None:
        picture = self.folder / "out.svg"
        path = self.file("a.json", results("<card & co>", record()))
        self.assertEqual(self.run_main(path, "--svg", str(picture))[0], 0)
        xml.parse(picture)

    def test_a_better_method_is_drawn_nearer_the_roof(self) -> None:
        picture = self.folder / "out.svg"
        path = self.file("a.json", results("card", record(efficiency=0.9), record("mass-unit", 0.3)))
        self.run_main(path, "--svg", str(picture), "--output", str(self.folder / "table.md"))
        text = picture.read_text(encoding="utf-8")
        exact = re.search(r'cy="([0-9.]+)"[^>]*><title>exact', text)
        other = re.search(r'points="[0-9.]+,([0-9.]+)[^>]*><title>mass-unit', text)
        assert exact and other
        self.assertLess(float(exact[1]), float(other[1]))


class ErrorTest(MergeTest):
    def check(self, expected: str, *arguments: str) -> None:
        code, out, errors = self.run_main(*arguments)
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(errors, expected)

    def test_files_that_are_missing_or_not_json(self) -> None:
        self.check("none.json: No such file", str(self.folder / "none.json"))
        self.check("a.json: not JSON: .*line 1", self.file("a.json", "{"))
        self.check("a.json: expected an object", self.file("a.json", "[]"))

    def test_fields_that_are_missing_or_wrong(self) -> None:
        self.check('a.json: no "device"', self.file("a.json", {"results": []}))
        self.check("a.json: no results", self.file("a.json", results("card")))
        for name in ("method", "batch", "dtype", "microseconds", "bytes_read", "ceiling_fraction"):
            bad = record()
            del bad[name]
            self.check(rf'results\[1\]: no "{name}"', self.file("a.json", results("card", record(batch=2), bad)))
        self.check('"batch" is 0', self.file("a.json", results("card", record(batch=0))))
        self.check("\"length\" is '8k'", self.file("a.json", results("card", record(length="8k"))))
        self.check('"microseconds" is -1', self.file("a.json", results("card", record(microseconds=-1.0))))

    def test_numbers_that_contradict_each_other(self) -> None:
        bad = record(efficiency=0.5, ceiling_fraction=0.6)
        self.check('"ceiling_fraction" is 0.6, but .* give 0.5', self.file("a.json", results("card", bad)))

    def test_rows_above_their_ceiling(self) -> None:
        code, _, errors = self.run_main(self.file("a.json", results("card", record(efficiency=1.02))))
        self.assertEqual((code, errors), (0, ""))
        above = results("card", record(efficiency=0.9), record("mass-unit", 1.03))
        expected = r'results\[1\]: mass-unit at 32/8/128, 1 x 8k: "ceiling_fraction" is 1.03; accepted: up to 1.02'
        self.check(expected, self.file("a.json", above))

    def test_results_that_are_there_twice(self) -> None:
        self.check("exact at .* for the second time", self.file("a.json", results("card", record(), record())))
        paths = [self.file(name, results("card", record())) for name in ("a.json", "b.json")]
        self.check("a.json and .*b.json are both of card, Cuda: one file a device, backend and number of threads", *paths)

    def test_predictions_that_have_nothing_to_go_by(self) -> None:
        paths = self.two_files()
        self.check("expected NAME=GB/s", *paths, "--predict", "card")
        self.check("expected NAME=GB/s", *paths, "--predict", "card=fast")
        self.check("card, Cuda; host, OpenMP", *paths, "--predict", "card=9", "--predict-from", "elsewhere")

    def test_a_table_that_cannot_be_written(self) -> None:
        self.check("can't write", *self.two_files(), "--output", str(self.folder / "none" / "table.md"))


if __name__ == "__main__":
    unittest.main()
