#!/usr/bin/env python3
"""Checks that the code of all pages is code that the tests compile: check_snippets.py [--compiled FILE] [<repository>]

A block of C++ or Python equals a file, or a region of one, that a comment on the line before names:

    <!-- from: examples/quickstart.cpp#plan -->
    ```cpp

The region is what stands between the lines "// [plan]" and "// [/plan]" of that file ("# [plan]" in Python and CMake), less
the indentation that all its lines share and less the marks of other regions. Without #plan it is the whole file, but for
a first line with the licence. Blocks of CMake may be quoted in the same way.

quoted    a block says where it is from, or its page is compiled whole: by santa_snippets() of tests/CMakeLists.txt. Python
          may be run whole, by a test that the page names, <!-- run by: python/tests/test_pages.py -->, and that names it
region    the file is there and has the region, once, with something in it
same      the block is what the file says
compiled  with --compiled, a build's compile_commands.json: the tests compile that file

Pages that don't quote yet are listed below: there `quoted` warns only. An entry that is not needed any more is an error.
Exit code 1 with a line for each error: file:line: [rule] what is wrong.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
import textwrap
from pathlib import Path

from findings import Finding
from pages import Block, Page, pages

# Pages that are still to be converted.
NOT_YET: set[str] = set()
QUOTED = {"cpp": "C++", "c++": "C++", "cxx": "C++", "cuda": "C++", "python": "Python", "py": "Python"}
# In these a snippet would be no program's: they must not compile.
NOT_COMPILED = "tests/compile/"

FROM = re.compile(r"\s*<!--\s*from:\s*(?P<path>[^#\s]+?)(?:#(?P<region>[\w-]+))?\s*-->\s*$")
RUN_BY = re.compile(r"\s*<!--\s*run by:\s*(\S+)\s*-->\s*$")
MARK = re.compile(r"\s*(?://|#) \[(?P<end>/?)(?P<name>[\w-]+)\]\s*$")
LICENCE = re.compile(r"(?://|#) SPDX-License-Identifier: .*\n")
WHOLE_PAGES = re.compile(r"foreach\(document IN ITEMS ([\w\s]+)\)[^)]*\)\s*santa_snippets\(")


class NoRegion(Exception):
    """Why a file has not what is asked for."""


def quote(text: str, region: str | None) -> str:
    """What a block has to be that is from this file. Errors: NoRegion."""
    found: list[str] = []
    times = 0
    inside = region is None
    for line in (LICENCE.sub("", text, count=1) if inside else text).splitlines():
        mark = MARK.match(line)
        if mark and mark["name"] == region:
            begins = not mark["end"]
            if begins == inside:
                raise NoRegion(f"has {line.strip()} where the region is {'open' if inside else 'closed'}")
            inside = begins
            times += begins
        elif inside and not mark:
            found.append(line)
    if region is not None and times != 1:
        raise NoRegion(f"has [{region}] {times} times; accepted: once")
    if region is not None and inside:
        raise NoRegion(f"has no [/{region}]")
    result = textwrap.dedent("\n".join(found)).strip("\n")
    if not result:
        raise NoRegion("has nothing there")
    return result


def whole_pages(root: Path) -> set[str]:
    """Pages all of whose C++ the tests compile as one program."""
    path = root / "tests" / "CMakeLists.txt"
    found = WHOLE_PAGES.search(path.read_text(encoding="utf-8")) if path.is_file() else None
    return {f"docs/{name}.md" for name in found[1].split()} if found else set()


def compiled_files(commands: Path, root: Path) -> set[str]:
    """The sources of a build, relative to the repository."""
    result = set()
    for command in json.loads(commands.read_text(encoding="utf-8")):
        path = Path(command["directory"], command["file"]).resolve()
        if path.is_relative_to(root.resolve()):
            result.add(path.relative_to(root.resolve()).as_posix())
    return result


class Checker:
    """Of the pages below `root`; `compiled` are the sources of a build, None: not known."""

    def __init__(self, root: Path, compiled: set[str] | None = None) -> None:
        self._root, self._compiled = root, compiled
        self._whole = whole_pages(root)
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []

    def check(self) -> None:
        seen = set()
        for page in pages(self._root):
            seen.add(page.name)
            self._check_page(page)
        for name in sorted(NOT_YET - seen):
            self._error(name, 1, "quoted", "is gone: strike it from NOT_YET")

    def _error(self, name: str, line: int, rule: str, text: str) -> None:
        self.errors.append(Finding(f"{name}:{line}", rule, text))

    def _check_page(self, page: Page) -> None:
        unquoted = 0
        whole = self._run_whole(page)
        for block in page.blocks:
            if not block.closed:
                self._error(page.name, block.line, "quoted", "a block that is not closed")
            elif source := FROM.match(block.before):
                self._check_block(page, block, source["path"], source["region"])
            elif block.language in QUOTED and QUOTED[block.language] not in whole:
                unquoted += 1
                text = f'{QUOTED[block.language]} without a line "<!-- from: <file>#<region> -->" before it'
                found = Finding(f"{page.name}:{block.line}", "quoted", text)
                (self.warnings if page.name in NOT_YET else self.errors).append(found)
        quotes = [line for line, text in enumerate(page.prose, 1) if FROM.match(text)]
        if len(quotes) != sum(1 for block in page.blocks if FROM.match(block.before)):
            self._error(page.name, quotes[-1], "quoted", "a page has lines <!-- from: ... --> without a block")
        if page.name in NOT_YET and not unquoted:
            self._error(page.name, 1, "quoted", "quotes all that it shows: strike it from NOT_YET")

    def _run_whole(self, page: Page) -> set[str]:
        """Languages of which a page's blocks are one program of the tests."""
        whole = {"C++"} if page.name in self._whole else set()
        for line, text in enumerate(page.prose, 1):
            if named := RUN_BY.match(text):
                test = self._root / named[1]
                if test.is_file() and page.name in test.read_text(encoding="utf-8"):
                    whole.add("Python")
                else:
                    self._error(page.name, line, "quoted", f"{named[1]} is no test that names {page.name}")
        return whole

    def _check_block(self, page: Page, block: Block, name: str, region: str | None) -> None:
        try:
            expected = quote(self._read(name), region)
        except NoRegion as error:
            self._error(page.name, block.line, "region", f"{name} {error}")
            return
        shown = block.text.strip("\n")
        if shown != expected:
            lines = list(difflib.unified_diff(expected.splitlines(), shown.splitlines(), lineterm=""))[2:14]
            text = "".join(f"\n    {line}" for line in lines)
            self._error(page.name, block.line, "same", f"differs from {name}{'#' + region if region else ''}:{text}")
        if name.endswith(".cpp") and self._compiled is not None:
            if name not in self._compiled or name.startswith(NOT_COMPILED):
                self._error(page.name, block.line, "compiled", f"{name} is not among the sources of this build")

    def _read(self, name: str) -> str:
        path = self._root / name
        if not path.is_file():
            raise NoRegion("is not there")
        return path.read_text(encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--compiled", type=Path, metavar="FILE", help="compile_commands.json of a build")
    options = parser.parse_args()
    compiled = compiled_files(options.compiled, options.root) if options.compiled else None
    checker = Checker(options.root, compiled)
    checker.check()
    for finding in checker.warnings:
        print(f"warning: {finding}")
    for finding in checker.errors:
        print(finding)
    return 1 if checker.errors else 0


if __name__ == "__main__":
    sys.exit(main())
