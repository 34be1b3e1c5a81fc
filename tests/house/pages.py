"""The repository's pages in Markdown: which there are, and their lines in and out of fenced blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator, NamedTuple

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "python/README.md")
FOLDERS = ("bench", "docs", "examples", "packaging")  # and all pages below these
FENCE = re.compile(r"(?P<indent> *)(?P<fence>```+|~~~+)(?P<info>[^`]*)$")


class Block(NamedTuple):
    """A fenced block."""

    line: int  # of its opening fence, from 1
    language: str  # as written, in small letters; may be empty
    text: str  # less the fence's indentation
    before: str  # the last line before the fence that is not blank; empty behind another block
    closed: bool


class Page(NamedTuple):
    name: str  # relative to the repository, with slashes
    prose: list[str]  # all lines; those of blocks and their fences are empty
    blocks: list[Block]


def read_page(name: str, text: str) -> Page:
    prose: list[str] = []
    blocks: list[Block] = []
    lines = text.splitlines()
    at = 0
    behind = 0  # the last block
    while at < len(lines):
        opening = FENCE.match(lines[at])
        if not opening:
            prose.append(lines[at])
            at += 1
            continue
        indent = len(opening["indent"])
        end = at + 1
        while end < len(lines) and not closes(lines[end], opening["fence"]):
            end += 1
        body = [line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in lines[at + 1 : end]]
        before = next((line for line in reversed(prose[behind:]) if line.strip()), "")
        language = (opening["info"].split() or [""])[0].lower()
        blocks.append(Block(at + 1, language, "\n".join(body), before, end < len(lines)))
        prose += [""] * (min(end + 1, len(lines)) - at)
        at = end + 1
        behind = len(prose)
    return Page(name, prose, blocks)


def closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and set(bare) == {fence[0]}


def pages(root: Path) -> Iterator[Page]:
    """All pages that are there, in the order of their names."""
    paths = {root / name for name in PAGES if (root / name).is_file()}
    for folder in FOLDERS:
        paths.update((root / folder).rglob("*.md"))
    for path in sorted(paths):
        yield read_page(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
