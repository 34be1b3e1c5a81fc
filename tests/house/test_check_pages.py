"""Tests of check_pages.py: which links and headings it reads, and that each rule is found broken where it is.

python3 -m unittest discover --start-directory tests/house
"""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_pages
from pages import read_page


class ReadTest(unittest.TestCase):
    def test_links(self) -> None:
        page = read_page("a.md", """[one](b.md) and `[code](none.md)`, ``x ` [code](none.md)``
[two
words](c.md#d "title"), ![picture](e.svg) [<f>](<f.md>)
```
[block](none.md)
```
[named]: g.md
<a href="h.html"><img src="i.png"></a> f[0](x) [site](https://kokkos.org)
""")
        self.assertEqual(list(check_pages.links(page)), [
            (1, "b.md"), (3, "c.md#d"), (3, "e.svg"), (3, "f.md"), (7, "g.md"), (8, "h.html"), (8, "i.png"), (8, "x"),
            (8, "https://kokkos.org")])

    def test_anchors(self) -> None:
        page = read_page("a.md", """# What `f()` is, and why-not ##
## Twice
## Twice
## [A link](b.md) & more
<a class="x" id="by-hand"></a>
```
# none
```
#none
""")
        self.assertEqual(check_pages.anchors(page),
                         {"what-f-is-and-why-not", "twice", "twice-1", "a-link--more", "by-hand"})


class RulesTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        self.write("README.md", "# Santa\n[a](docs/a.md) [b](docs/a.md#two-words) [c](#santa) [d](docs) [e](mailto:x@y.z)\n")
        self.write("docs/a.md", "# Two words\n[back](../README.md#santa) [file](../src/a.cpp#L5)\n")
        self.write("src/a.cpp", "int a;\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def expect(self, *findings: str) -> None:
        self.assertEqual([str(finding) for finding in check_pages.check(self.root)], list(findings))

    def test_nothing_is_found_where_all_is_well(self) -> None:
        self.expect()

    def test_size(self) -> None:
        self.write("docs/a.md", "")
        self.write("README.md", "x" * 6144)
        self.expect()
        self.write("README.md", "x" * 6143 + "\u00e9")
        self.expect("README.md:1: [size] it has 6145 bytes; accepted: 1 to 6144")
        (self.root / "README.md").unlink()
        self.expect("README.md:1: [size] it has 0 bytes; accepted: 1 to 6144")

    def test_dead_links(self) -> None:
        self.write("docs/a.md", "# Two words\n\n[a](b.md) [b](../README.md#gone)\n[c](#gone)\n[d](/etc/passwd) [e](../../x.md)\n")
        self.expect(
            "docs/a.md:3: [link] there is no b.md",
            "docs/a.md:3: [link] ../README.md#gone: the page has no such heading",
            "docs/a.md:4: [link] #gone: the page has no such heading",
            "docs/a.md:5: [link] /etc/passwd leads out of the repository",
            "docs/a.md:5: [link] ../../x.md leads out of the repository",
        )


if __name__ == "__main__":
    unittest.main()
