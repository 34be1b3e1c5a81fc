"""Tests of real_model.py that need no model.

python3 -m unittest discover --start-directory tools
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

if importlib.util.find_spec("numpy") is None:
    raise unittest.SkipTest("needs the package numpy")

sys.path.insert(0, str(Path(__file__).resolve().parent))
import real_model


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


class NeedleTest(unittest.TestCase):
    def test_a_needle_lies_at_its_depth_and_its_number_is_scored(self) -> None:
        class Letters:
            def encode(self, text: str) -> list[int]:
                return [ord(c) for c in text]

            encode_ending = encode

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
