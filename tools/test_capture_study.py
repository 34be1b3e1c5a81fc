"""Tests of capture_study.py that need neither packages nor a model.

python3 -m unittest discover --start-directory tools
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import capture_study
import make_text


class ListTest(unittest.TestCase):
    def setUp(self) -> None:
        self.entries = capture_study.make_entries()

    def test_is_the_same_every_time(self) -> None:
        self.assertEqual(self.entries, capture_study.make_entries())
        text = capture_study.list_text(self.entries)
        self.assertTrue(
            text.startswith("Inventory.\n\n1. Ivo keeps the olive map in room 815,")
        )

    def test_no_question_has_two_answers(self) -> None:
        asked = {(entry.name, entry.thing) for entry in self.entries}
        self.assertEqual(len(asked), capture_study.ENTRIES)

    def test_the_question_is_about_an_entry_well_inside_the_context(self) -> None:
        text = capture_study.list_text(self.entries)
        for context in capture_study.CONTEXTS:
            question = capture_study.question(self.entries, context)
            found = re.search(r"Answer: (.*) in room$", question)
            assert found is not None
            place = text.index(found[1])
            # An entry takes 22 tokens and some 62 characters.
            tokens = 22 * text.count("\n", 0, place)
            self.assertLess(0.3 * context, tokens)
            self.assertLess(tokens, 0.5 * context)


    def test_a_context_beyond_the_list_is_refused(self) -> None:
        capture_study.question(self.entries, 32999)
        for context in (33000, 10**6, -1):
            with self.assertRaisesRegex(make_text.TextError, "accepted: 1 to 32999"):
                capture_study.question(self.entries, context)


class CaptureTest(unittest.TestCase):
    def test_makes_each_capture_once_and_only_whole_ones(self) -> None:
        texts = {"list": capture_study.Text("a b c", "a note")}

        def run(command: list[str], check: bool) -> None:
            self.assertTrue(check)
            part = Path(command[command.index("--output") + 1])
            self.assertEqual(part.suffix, ".part")
            part.write_text(" ".join(command), encoding="utf-8")

        with tempfile.TemporaryDirectory() as folder, mock.patch.object(
            capture_study, "make_texts", return_value=texts
        ), mock.patch.object(subprocess, "run", side_effect=run) as runs:
            output = Path(folder)
            for _ in range(2):
                capture_study.make_captures(Path("m"), Path("p"), output, [64, 128])
            self.assertEqual(runs.call_count, 2)
            command = (output / "list_128.safetensors").read_text(encoding="utf-8")
            self.assertIn("--length 128", command)
            self.assertIn("--text-note list: a note", command)
            self.assertIn("--ending \n\nQuestion:", command)
            self.assertIn("--positions 8", command)
            self.assertFalse(list(output.glob("*.part")))

            capture_study.make_captures(Path("m"), Path("p"), output, [256], ["code"])
            self.assertEqual(runs.call_count, 2)  # no such text here
            capture_study.make_captures(
                Path("m"), Path("p"), output, [256], ["list"], positions=16
            )
            command = (output / "list_256.safetensors").read_text(encoding="utf-8")
            self.assertIn("--positions 16", command)

    def test_absent_packages_are_named(self) -> None:
        with self.assertRaisesRegex(make_text.TextError, "cannot read absent"):
            capture_study.make_texts(Path("absent"))

    def test_a_damaged_text_is_named(self) -> None:
        whole = gzip.compress(b"some text, long enough to be cut")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "text"
            path.write_bytes(whole)
            self.assertIn("some text", make_text.read_text(path))
            for damaged in (whole[:-9], whole[:10] + b"\xff" + whole[11:], b"\xff"):
                path.write_bytes(damaged)
                with self.assertRaisesRegex(make_text.TextError, "text is damaged"):
                    make_text.read_text(path)


if __name__ == "__main__":
    unittest.main()
