"""Tests of check_snippets.py: how pages and files are read, and that each rule is found broken where it is.

python3 -m unittest discover --start-directory tests/house
"""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_snippets
from pages import read_page

PROGRAM = """// SPDX-License-Identifier: Apache-2.0
int main() {
  // [plan]
  int a = 1;
  // [inner]
  if (a) {
    return a;
  }
  // [/inner]
  // [/plan]
}
"""
PLAN = "int a = 1;\nif (a) {\n  return a;\n}"


class PagesTest(unittest.TestCase):
    def test_blocks(self) -> None:
        text = "# Title\n<!-- x -->\n\n```cpp\na\n\n```\n```\nb\n```\n- item\n  ~~~ SH\n    ```\n  c\n  ~~~~\nend\n```sh\nd"
        page = read_page("a.md", text)
        self.assertEqual([(block.line, block.language, block.text) for block in page.blocks],
                         [(4, "cpp", "a\n"), (8, "", "b"), (12, "sh", "  ```\nc"), (17, "sh", "d")])
        self.assertEqual([block.before for block in page.blocks], ["<!-- x -->", "", "- item", "end"])
        self.assertEqual([block.closed for block in page.blocks], [True, True, True, False])
        self.assertEqual([line for line in page.prose if line], ["# Title", "<!-- x -->", "- item", "end"])
        self.assertEqual(page.prose[15], "end")

    def test_inline_code_is_no_fence(self) -> None:
        self.assertEqual(read_page("a.md", "```a``` b\n`c`\n").blocks, [])


class QuoteTest(unittest.TestCase):
    def test_a_region(self) -> None:
        self.assertEqual(check_snippets.quote(PROGRAM, "plan"), PLAN)
        self.assertEqual(check_snippets.quote(PROGRAM, "inner"), PLAN.partition("\n")[2])
        self.assertEqual(check_snippets.quote("# [a]\nadd()\n# [/a]\n", "a"), "add()")

    def test_a_whole_file(self) -> None:
        expected = "int main() {\n  int a = 1;\n  if (a) {\n    return a;\n  }\n}"
        self.assertEqual(check_snippets.quote(PROGRAM, None), expected)

    def test_regions_that_are_none(self) -> None:
        for text, why in (
            (PROGRAM, "has [gone] 0 times; accepted: once"),
            ("// [gone]\na\n// [/gone]\n// [gone]\nb\n// [/gone]\n", "has [gone] 2 times; accepted: once"),
            ("// [gone]\na\n", "has no [/gone]"),
            ("// [/gone]\na\n// [gone]\n", "has // [/gone] where the region is closed"),
            ("// [gone]\n// [gone]\n", "has // [gone] where the region is open"),
            ("// [gone]\n\n// [/gone]\n", "has nothing there"),
        ):
            with self.subTest(text), self.assertRaises(check_snippets.NoRegion) as raised:
                check_snippets.quote(text, "gone")
            self.assertEqual(str(raised.exception), why)


class RulesTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.not_yet: set[str] = set()
        patch = mock.patch.object(check_snippets, "NOT_YET", self.not_yet)
        patch.start()
        self.addCleanup(patch.stop)
        self.compiled: set[str] | None = None
        self.write("examples/program.cpp", PROGRAM)
        self.page(PLAN, "#plan")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def page(self, code: str, region: str, name: str = "examples/program.cpp") -> None:
        self.write("docs/a.md", f"# Title\n\n<!-- from: {name}{region} -->\n```cpp\n{code}\n```\n")

    def check(self) -> check_snippets.Checker:
        checker = check_snippets.Checker(self.root, self.compiled)
        checker.check()
        return checker

    def expect(self, *findings: str) -> None:
        self.assertEqual([str(finding) for finding in self.check().errors], list(findings))

    def test_nothing_is_found_where_all_is_well(self) -> None:
        self.expect()
        self.assertEqual(self.check().warnings, [])

    def test_code_that_is_not_quoted(self) -> None:
        self.write("README.md", "```sh\nls\n```\n```\ntext\n```\n```cmake\na()\n```\n")
        self.expect()
        self.write("README.md", "text\n```C++\nint a;\n```\n\n```python\nb\n```\n")
        line = 'without a line "<!-- from: <file>#<region> -->" before it'
        findings = [f"README.md:2: [quoted] C++ {line}", f"README.md:6: [quoted] Python {line}"]
        self.expect(*findings)
        self.not_yet.add("README.md")
        self.expect()
        self.assertEqual([str(finding) for finding in self.check().warnings], findings)
        self.write("README.md", "text\n")
        self.expect("README.md:1: [quoted] quotes all that it shows: strike it from NOT_YET")
        (self.root / "README.md").unlink()
        self.expect("README.md:1: [quoted] is gone: strike it from NOT_YET")

    def test_pages_that_are_compiled_whole(self) -> None:
        self.write("docs/b.md", "```cpp\nint a;\n```\n")
        self.assertEqual(len(self.check().errors), 1)
        self.write("tests/CMakeLists.txt", 'foreach(document IN ITEMS a b)\n  set(c "d")\n  santa_snippets("b.md")\n')
        self.expect()
        self.write("docs/b.md", "```cpp\nint a;\n```\n```py\na\n```\n")
        self.assertEqual(len(self.check().errors), 1)

    def test_pages_that_a_test_runs(self) -> None:
        self.write("docs/b.md", "<!-- run by: python/tests/test_pages.py -->\n```python\na\n```\n")
        wrong = "docs/b.md:1: [quoted] python/tests/test_pages.py is no test that names docs/b.md"
        self.assertEqual([str(finding) for finding in self.check().errors][:1], [wrong])
        self.write("python/tests/test_pages.py", 'run("docs/c.md")\n')
        self.assertEqual(len(self.check().errors), 2)
        self.write("python/tests/test_pages.py", 'run("docs/b.md")\n')
        self.expect()
        self.write("docs/b.md", "<!-- run by: python/tests/test_pages.py -->\n```cpp\na\n```\n")
        self.assertEqual(len(self.check().errors), 1)

    def test_lines_without_a_block(self) -> None:
        self.write("docs/a.md", "<!-- from: examples/program.cpp -->\ntext\n```sh\nls\n```\n")
        self.expect("docs/a.md:1: [quoted] a page has lines <!-- from: ... --> without a block")
        self.write("docs/a.md", "```sh\nls\n")
        self.expect("docs/a.md:1: [quoted] a block that is not closed")

    def test_files_and_regions_that_are_not_there(self) -> None:
        self.page(PLAN, "#plans")
        self.expect("docs/a.md:4: [region] examples/program.cpp has [plans] 0 times; accepted: once")
        self.page(PLAN, "#plan", "examples/gone.cpp")
        self.expect("docs/a.md:4: [region] examples/gone.cpp is not there")

    def test_code_that_differs(self) -> None:
        self.page(PLAN.replace("a = 1", "a = 2"), "#plan")
        self.expect(
            "docs/a.md:4: [same] differs from examples/program.cpp#plan:"
            "\n    @@ -1,4 +1,4 @@\n    -int a = 1;\n    +int a = 2;\n     if (a) {\n       return a;\n     }"
        )
        self.page(PLAN, "")
        self.assertEqual([finding.rule for finding in self.check().errors], ["same"])

    def test_blocks_of_any_language_may_quote(self) -> None:
        self.write("tests/a.cmake", "# [a]\nfind_package(santa)\n# [/a]\n")
        self.write("docs/a.md", "<!-- from: tests/a.cmake#a -->\n```cmake\nfind_package(santa)\n```\n")
        self.expect()
        self.write("docs/a.md", "<!-- from: tests/a.cmake#a -->\n```cmake\nfind_package(other)\n```\n")
        self.assertEqual([finding.rule for finding in self.check().errors], ["same"])

    def test_sources_that_no_build_has(self) -> None:
        commands = self.root / "build" / "compile_commands.json"
        self.write("build/compile_commands.json", json.dumps([
            {"directory": str(self.root / "build"), "file": "../examples/program.cpp"},
            {"directory": str(self.root), "file": str(self.root / "tests/compile/program.cpp")},
            {"directory": "/usr", "file": "other.cpp"}]))
        self.compiled = check_snippets.compiled_files(commands, self.root)
        self.assertEqual(self.compiled, {"examples/program.cpp", "tests/compile/program.cpp"})
        self.expect()
        for name in ("examples/other.cpp", "tests/compile/program.cpp"):
            self.write(name, PROGRAM)
            self.page(PLAN, "#plan", name)
            self.expect(f"docs/a.md:4: [compiled] {name} is not among the sources of this build")


if __name__ == "__main__":
    unittest.main()
