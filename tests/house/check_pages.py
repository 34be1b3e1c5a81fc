#!/usr/bin/env python3
"""Checks the pages in Markdown: check_pages.py [<folder of the repository>]

size    the README has at most 6144 bytes: it is read in two minutes, the rest is in docs/
link    what a page links to in the repository is there, and has the heading that is named; addresses of other hosts are
        not looked at

Exit code 1 with a line for each error: file:line: [rule] what is wrong.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterator

from findings import Finding, run
from pages import Page, pages, read_page

MOST_README_BYTES = 6144

CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(
    r"""\]\(\s*<?(?P<inline>[^()<>\s]+)>?(?:\s+"[^"]*")?\s*\)"""
    r"""|^\ *\[[^\]]+\]:\s+<?(?P<named>[^<>\s]+)"""
    r"""|(?:href|src)="(?P<html>[^"]+)\"""",
    re.MULTILINE | re.VERBOSE,
)
ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
HEADING = re.compile(r" {0,3}#{1,6}\s+(?P<text>.*?)(?:\s+#+)?\s*$")
ANCHOR = re.compile(r"""<\w+[^>]*\s(?:id|name)="([^"]+)\"""")


def blanked(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def links(page: Page) -> Iterator[tuple[int, str]]:
    """Line and target of all links outside of code."""
    text = CODE.sub(lambda found: blanked(found[0]), "\n".join(page.prose))
    for found in LINK.finditer(text):
        yield text.count("\n", 0, found.start(found.lastgroup)) + 1, found[found.lastgroup]


def anchors(page: Page) -> set[str]:
    """What a link into the page may name: its headings, as GitHub writes them, and what HTML names."""
    result: set[str] = set()
    for line in page.prose:
        result.update(ANCHOR.findall(line))
        if heading := HEADING.match(line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
            slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            number = next(i for i in range(len(result) + 1) if (f"{slug}-{i}" if i else slug) not in result)
            result.add(f"{slug}-{number}" if number else slug)
    return result


def check_size(root: Path) -> Iterator[Finding]:
    path = root / "README.md"
    size = path.stat().st_size if path.is_file() else 0
    if not 0 < size <= MOST_README_BYTES:
        yield Finding("README.md:1", "size", f"it has {size} bytes; accepted: 1 to {MOST_README_BYTES}")


def check_link(root: Path, page: Page, target: str) -> str | None:
    """What is wrong with a link."""
    name, _, fragment = target.partition("#")
    path = ((root / page.name).parent / name).resolve() if name else root / page.name
    if name.startswith("/") or not path.is_relative_to(root.resolve()):
        return f"{target} leads out of the repository"
    if not path.exists():
        return f"there is no {target}"
    if fragment and path.suffix == ".md":
        if fragment not in anchors(read_page(name, path.read_text(encoding="utf-8"))):
            return f"{target}: the page has no such heading"
    return None


def check(root: Path) -> list[Finding]:
    findings = list(check_size(root))
    for page in pages(root):
        for line, target in links(page):
            if not ELSEWHERE.match(target) and (wrong := check_link(root, page, target)):
                findings.append(Finding(f"{page.name}:{line}", "link", wrong))
    return findings


if __name__ == "__main__":
    sys.exit(run(check))
