"""Tests of real_model.py that need no model.

python3 -m unittest discover --start-directory tools
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import math
import statistics
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

if importlib.util.find_spec("numpy") is None:
    raise unittest.SkipTest("needs the package numpy")

sys.path.insert(0, str(Path(__file__).resolve().parent))
import real_model
from gguf_file import UserError


def run(policy: str, seed: int, **changed: Any) -> dict[str, Any]:
    return {
        "kind": "text",
        "name": "a",
        "context": 2048,
        "depth": 0.0,
        "policy": policy,
        "seed": seed,
        "rows_read": 10,
        "rows_visible": 100,
        "came": [1, 2],
        "best": [1, 2],
        "losses": [1.0, 3.0],
        "divergences": [0.0, 0.0],
    } | changed


def summary_of(
    runs: list[dict[str, Any]],
    keep: Path | None = None,
    section: str = "default_method",
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "scores.jsonl", Path(folder) / "results.json"
        source.write_text("".join(json.dumps(one) + "\n" for one in runs))
        real_model.results(
            argparse.Namespace(
                files=[source], model="m", output=target, keep=keep, section=section
            )
        )
        return dict(json.loads(target.read_text()))


TEXT_RUNS = [
    run("exact", 0, rows_read=100),
    run("share:0.1", 0, best=[1, 5], losses=[1.5, 3.0], divergences=[0.2, 0.0]),
    run("share:0.1", 1, rows_read=20),
]


class ResultsTest(unittest.TestCase):
    def test_measures_of_a_text(self) -> None:
        summary = summary_of(TEXT_RUNS)
        (row,) = summary["default_method"]
        self.assertEqual(summary["model"], "m")
        self.assertEqual((row["context"], row["rows_budget"]), (2048, 0.1))
        self.assertEqual((row["tokens"], row["seeds"]), (4, 2))
        self.assertAlmostEqual(row["top1_agreement"], 0.75)
        self.assertAlmostEqual(row["perplexity_ratio"], math.exp(0.125))
        self.assertAlmostEqual(row["kl_divergence"], 0.05)
        self.assertAlmostEqual(row["rows_read_fraction"], 0.15)

    def test_intervals_are_over_seeds(self) -> None:
        (row,) = summary_of(TEXT_RUNS)["default_method"]
        # Two seeds, 0.5 and 1: standard error 0.25, one degree of freedom.
        self.assertAlmostEqual(row["top1_agreement_interval"], 12.706 * 0.25)
        self.assertIsNone(real_model.interval([1.0]))

    def test_quantiles_are_those_of_student(self) -> None:
        def mass(t: float, freedom: int) -> float:
            """Within -t to t, by Simpson's rule."""
            scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
            scale /= math.sqrt(freedom * math.pi)
            steps = 4000
            sums = 0.0
            for i in range(steps + 1):
                x = t * i / steps
                weight = 1 if i in (0, steps) else 4 if i % 2 else 2
                sums += weight * (1 + x * x / freedom) ** (-(freedom + 1) / 2)
            return 2 * scale * sums * t / (3 * steps)

        for freedom in [*range(1, 45), 100, 10000]:
            with self.subTest(freedom=freedom):
                values = [float(i % 2) for i in range(freedom + 1)]
                error = statistics.stdev(values) / math.sqrt(freedom + 1)
                t = (real_model.interval(values) or 0.0) / error
                self.assertAlmostEqual(mass(t, freedom), 0.95, delta=5e-5)

    def test_intervals_over_texts(self) -> None:
        runs = [*TEXT_RUNS, run("exact", 0, name="b"), run("share:0.1", 0, name="b")]
        (row,) = summary_of(runs)["default_method"]
        # Two texts, 0.75 and 1: standard error 0.125.
        self.assertAlmostEqual(row["top1_agreement_interval_texts"], 12.706 * 0.125)

    def test_tokens_near_their_budget(self) -> None:
        # Tokens that see 2046 and 2047 keys of two kv heads; the first does not count.
        visible = {"rows_visible": 2 * (2045 + 2046 + 2047)}
        runs = [run("ratio:0.1", 0, **visible, rows_by_token=[1, 409, 460])]
        (row,) = summary_of([run("exact", 0), *runs])["default_method"]
        self.assertEqual(row["tokens_near_budget"], 0.5)

    def test_budgets_are_of_what_policies_name(self) -> None:
        rows = {"rows_visible": 2 * (2045 + 2046 + 2047), "rows_by_token": [1, 409, 460]}
        for policy, expected in (
            ("share:0.2,steered", {"rows_budget": 0.2}),
            ("share:0.25/0.5/0/0.25", {"rows_budget": 0.5}),  # 0: read whole
            ("error:0.055", {"rows_budget": 0.1, "target_error": 0.055}),
            ("error:0.1/0.2", {"rows_budget": 0.15, "target_error": [0.1, 0.2]}),
            ("clusters:0.1", {"bytes_budget": 0.1}),
        ):
            with self.subTest(policy):
                runs = [run("exact", 0), run(policy, 0, **rows)]
                (row,) = summary_of(runs)["default_method"]
                found = {key: row.get(key) for key in expected}
                self.assertEqual(found, expected)
                near = "tokens_near_budget" in row
                self.assertEqual(near, "rows_budget" in expected)

    def test_rows_of_before_are_kept_where_they_are_not_measured_anew(self) -> None:
        old = {"context": 2048, "policy": "share:0.1"}
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(folder) / "old.json"
            rows = [old, {**old, "policy": "error:0.5"}]
            kept.write_text(
                json.dumps({"model": "o", "default_method": rows, "needles": []})
            )
            rows = summary_of(TEXT_RUNS, kept)["default_method"]
        found = [(row["model"], row["policy"]) for row in rows]
        self.assertEqual(found, [("o", "error:0.5"), ("m", "share:0.1")])

    def test_needles_are_found_where_every_token_is(self) -> None:
        needle = {"kind": "needle", "depth": 0.5}
        runs = [
            run("exact", 0, **needle),
            run("error:0.05", 0, **needle),
            run("error:0.05", 1, **needle, best=[1, 3]),
        ]
        (row,) = summary_of(runs)["needles"]
        self.assertEqual((row["found"], row["runs"]), (1, 2))
        self.assertEqual((row["found_exact"], row["needles"]), (1, 1))
        self.assertEqual(row["found_by_depth"], {"0.5": 1})

    def test_the_picture_is_xml(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "results.json", Path(folder) / "p.svg"
            source.write_text(json.dumps(summary_of(TEXT_RUNS)))
            real_model.picture(argparse.Namespace(file=source, output=target))
            root = xml.etree.ElementTree.parse(target).getroot()
            self.assertTrue(root.tag.endswith("svg"))
            summary = summary_of(TEXT_RUNS, section="model_budget")
            source.write_text(json.dumps(summary))
            real_model.policies_picture(
                argparse.Namespace(file=source, output=target)
            )
            root = xml.etree.ElementTree.parse(target).getroot()
        bars = [e.get("fill") for e in root if e.tag.endswith("rect")]
        # The background, a bar of share:0.1 at 2048 tokens, the legend.
        self.assertEqual(bars.count("#999999"), 2)
        self.assertEqual(len(bars), 1 + 1 + len(real_model.POLICIES))


class RefusalTest(unittest.TestCase):
    """Files that are no results: one sentence that names what is wrong."""

    def refusal_of(self, *runs: dict[str, Any]) -> str:
        with self.assertRaises(UserError) as caught:
            summary_of(list(runs))
        return str(caught.exception)

    def test_runs_follow_the_exact_line_of_their_passage(self) -> None:
        exact, sampled = run("exact", 0), run("share:0.1", 0)
        part = "does not follow the exact line of the same passage"
        self.assertIn(part, self.refusal_of(sampled))
        for other in ({"name": "b"}, {"context": 4096}, {"came": [1, 3]}):
            with self.subTest(other):
                sentence = self.refusal_of(exact, sampled, sampled | other)
                self.assertIn("scores.jsonl: line 3: 'share:0.1' of ", sentence)
                self.assertIn(part, sentence)

    def test_lines_that_are_no_runs(self) -> None:
        for changed, part in (
            ({"best": [1]}, "'best' has 1 numbers"),
            ({"losses": [1.0]}, "'losses' has 1 numbers"),
            ({"losses": [1.0, None]}, "'losses' is not a list of finite numbers"),
            ({"divergences": 3}, "'divergences' is not a list"),
            ({"came": [], "best": []}, "'came' has 0 numbers"),
            ({"rows_visible": 0}, "'rows_visible' is 0"),
            ({"context": 2}, "fewer than the context"),
            ({"rows_by_token": []}, "'rows_by_token' is empty"),
            ({"losses": [1.0, 701.0]}, "'losses' has 701.0; accepted: 0 to 700 nats"),
            ({"losses": [-1e3, 1.0]}, "'losses' has -1000.0"),
            ({"rows_read": 10**400}, "'rows_read' is 1000"),
            ({"seed": "x"}, "'seed' is 'x'; accepted: a finite number"),
            ({"policy": None}, "'policy' is None; accepted: a text"),
            ({"kind": "needle", "depth": None}, "'depth' is None"),
        ):
            with self.subTest(part):
                self.assertIn(part, self.refusal_of(run("exact", 0) | changed))
        for policy in ("share", "share:nan", "share:0.1/", "error:2"):
            sentence = self.refusal_of(run("exact", 0), run(policy, 0))
            self.assertIn(f"'{policy}' names no number", sentence)

    def program(self, *arguments: str) -> str:
        """Run the program, which refuses; return its sentence."""
        errors = io.StringIO()
        with mock.patch.object(sys, "argv", ["real_model.py", *arguments]):
            with redirect_stderr(errors), redirect_stdout(io.StringIO()):
                self.assertEqual(real_model.main(), 2)
        self.assertEqual(errors.getvalue().count("\n"), 1)
        return errors.getvalue()

    def test_files_that_are_something_else(self) -> None:
        line = json.dumps(run("exact", 0))
        row = {"context": 1, "policy": "share:0.1", "kl_divergence": 0.1}
        no_rows = {"default_method": [row | {"rows_read_fraction": 0}]}
        with tempfile.TemporaryDirectory() as folder:
            file, output = Path(folder) / "file", str(Path(folder) / "output")
            results = ("results", str(file), "--model", "m", "--output", output)
            picture = ("picture", str(file), "--output", output)
            policies = ("policies", str(file), "--output", output)
            for content, arguments, part in (
                (line[:-9], results, "file: line 1: not JSON"),
                ("[1]", results, "file: line 1: not an object"),
                ("[" * 100000, results, "not JSON"),
                (f"{line}\n{line}\n", ("table", str(file)), "file: not JSON"),
                (line, ("table", str(file)), "no list 'default_method'"),
                ('{"default_method": [{}]}', ("table", str(file)), "'policy' is None"),
                (line, picture, "no list 'default_method'"),
                (json.dumps(no_rows), picture, "row 1 of 'default_method'"),
                (line, policies, "no list 'model_budget'"),
                ("\udcff", results, "not a text in UTF-8"),
            ):
                file.write_bytes(content.encode("utf-8", "surrogateescape"))
                with self.subTest(part, command=arguments[0]):
                    self.assertIn(part, self.program(*arguments))
            for command in (results, picture, policies):
                file.write_text(line)
                over = [*command[:-1], str(file)]
                self.assertIn("which is read; accepted: another", self.program(*over))
                self.assertEqual(file.read_text(), line)
            file.write_text(line)
            kept = (*results, "--keep", str(file))
            self.assertIn("'model' is None", self.program(*kept))


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str) -> list[int]:
        return [ord(c) for c in text]

    encode_ending = encode


class NeedleTest(unittest.TestCase):
    def test_a_context_has_room_for_a_needle(self) -> None:
        filler = [0] * 4096
        fixed = len(real_model.NEEDLE.format(4719) + real_model.QUESTION + " 4719")
        for context in (1, fixed - 1, fixed):
            with self.assertRaisesRegex(UserError, f"accepted: {fixed + 1} or more"):
                real_model.needle_passages(context, filler, Letters(), (0.5,))  # type: ignore
        (passage,) = real_model.needle_passages(
            fixed + 1, filler, Letters(), (0.5,)  # type: ignore
        )
        self.assertEqual(len(passage["tokens"]), fixed + 1)

    def test_a_needle_lies_at_its_depth_and_its_number_is_scored(self) -> None:
        filler = [0] * 4096
        passages = real_model.needle_passages(
            2048, filler, Letters(), real_model.DEPTHS[2048]  # type: ignore
        )
        for passage, number in zip(passages, real_model.NUMBERS):
            tokens = passage["tokens"]
            self.assertEqual(len(tokens), 2048)
            answer = "".join(chr(t) for t in tokens[passage["scored"] :])
            self.assertEqual(answer, f" {number}")
            begin = tokens.index(ord("T"))
            self.assertAlmostEqual(begin / 2048, passage["depth"], delta=0.08)
            self.assertEqual(tokens[passage["decoded"] :][0], ord("\n"))


if __name__ == "__main__":
    unittest.main()
