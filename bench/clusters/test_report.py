#!/usr/bin/env python3
"""Tests of report.py."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

import report


def case(layer: int, head: int, error: float, **more: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "context": 8192,
        "text": "prose",
        "layer": layer,
        "head": head,
        "method": "clusters",
        "bytes": "1/8",
        "bytes_share": 0.125,
        "relative_error": error,
        "error_bar": error,
        "within": 0.9,
        "seeds": 3,
        **more,
    }


class ReportTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write(self, *cases: dict[str, Any]) -> Path:
        path = self.folder / "cases.jsonl"
        path.write_text("".join(json.dumps(c) + "\n" for c in cases))
        return path

    def merged(self, *cases: dict[str, Any]) -> dict[str, Any]:
        output = self.folder / "clusters.json"
        with contextlib.redirect_stdout(io.StringIO()):
            report.merge(argparse.Namespace(files=[self.write(*cases)], output=output))
        result: dict[str, Any] = json.loads(output.read_text())
        return result

    def test_heads_are_summarised_by_text_and_over_all(self) -> None:
        summary = self.merged(
            case(0, 0, 0.1), case(0, 1, 0.9), case(0, 0, 0.4, text="code")
        )["summary"]["rows"]
        by_text = {row["text"]: row for row in summary}
        self.assertEqual(set(by_text), {"all", "prose", "code"})
        self.assertEqual(by_text["prose"]["mean"], 0.5)
        self.assertEqual(by_text["prose"]["geometric_mean"], 0.3)
        self.assertEqual(by_text["prose"]["worst"], 0.9)
        self.assertEqual(by_text["prose"]["worse_than_half"], 1)
        self.assertEqual(by_text["all"]["heads"], 3)

    def test_a_layer_that_was_cut_does_not_count(self) -> None:
        whole = [case(0, h, 0.1) for h in (0, 1)]
        merged = self.merged(*whole, case(1, 0, 0.7))
        self.assertEqual({c["layer"] for c in merged["cases"]}, {0})
        self.assertEqual(merged["summary"]["rows"][0]["worst"], 0.1)

    def test_only_the_recommended_method_has_cases(self) -> None:
        merged = self.merged(
            case(0, 0, 0.1), case(0, 0, 0.2, method="quest", within=None)
        )
        self.assertEqual([c["method"] for c in merged["cases"]], ["clusters"])
        self.assertIsNone(merged["summary"]["rows"][1]["within"])

    def test_what_is_no_case_is_named(self) -> None:
        path = self.folder / "cases.jsonl"
        path.write_text('{"layer": 1}\n')
        with self.assertRaisesRegex(report.ReportError, "line 1 is no case"):
            report.read_cases([path])


if __name__ == "__main__":
    unittest.main()
