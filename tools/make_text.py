#!/usr/bin/env python3
"""Rebuild the text that the committed capture was made from.

The text is a deliberate mixture - essays, a formal declaration, source code, a
long table, a dictionary with verse, and a story - taken from Debian packages:

    jargon-text           Jargon File 4.4.7             public domain
    miscfiles             Declaration of Independence   public domain
    libpython3.11-stdlib  sched.py, http/__init__.py    PSF License 2.0
    dict-devil            The Devil's Dictionary        public domain

It is not committed, because three commands rebuild it on Debian 12:

    apt-get download jargon-text miscfiles libpython3.11-stdlib dict-devil
    for package in *.deb; do dpkg-deb -x "$package" packages; done
    python3 tools/make_text.py packages text.txt

The script needs nothing outside Python's standard library, and it fails if the
result is not, byte for byte, the text that the capture was made from.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

EXPECTED_SHA256 = "395dac452e44fa413fe3cecab959279240062e90d22680e05fa16f83c5b304c7"


class Passage(NamedTuple):
    """The part of a file from the text `first` up to, not including, `end`."""

    path: str
    first: str
    end: str | None = None


JARGON_FILE = "usr/share/doc/jargon-text/jargon.txt.gz"

PASSAGES = (
    Passage(
        JARGON_FILE,
        "Chapter\u00a01.\u00a0Hacker Slang and Hacker Culture\n\n   This",
        "Chapter\u00a03.\u00a0Revision History\n",
    ),
    Passage(
        "usr/share/state/us-declaration.gz",
        "The Declaration of Independence",
        "Nor have We been wanting",
    ),
    Passage("usr/lib/python3.11/sched.py", '"""A generally useful'),
    Passage(
        "usr/lib/python3.11/http/__init__.py",
        "from enum import",
        "    # client error",
    ),
    Passage(
        "usr/share/dictd/devil.dict.dz",
        "ABASEMENT, n.",
        "ABSENTEE, n.",
    ),
    Passage(
        JARGON_FILE,
        "OS and JEDGAR\n\n   This",
        "The Story of Mel\n\n   This",
    ),
    Passage(
        JARGON_FILE,
        "A Story About ‘Magic'\n\n   Some years",
        "Some AI Koans\n\n   Tom",
    ),
)


class TextError(Exception):
    """A reason, for the user, why the text cannot be rebuilt."""


def read_text(path: Path) -> str:
    """Read a UTF-8 file, which may be compressed with gzip or dictzip."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TextError(f"cannot read {path}: {error.strerror}") from error
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return content.decode("utf-8")
    except (EOFError, OSError, zlib.error, UnicodeDecodeError):
        raise TextError(f"{path} is damaged, or no text in UTF-8") from None


def extract(passage: Passage, root: Path) -> str:
    """Return the passage without blank space around it."""
    text = read_text(root / passage.path)
    start = text.find(passage.first)
    stop = len(text) if passage.end is None else text.find(passage.end, start)
    if start < 0 or stop < 0:
        raise TextError(f"{root / passage.path} lacks the passage {passage.first!r}")
    return text[start:stop].strip()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "root", type=Path, help="folder that the Debian packages are unpacked in"
    )
    parser.add_argument("output", type=Path, help="text file to write")
    arguments = parser.parse_args()
    try:
        passages = [extract(passage, arguments.root) for passage in PASSAGES]
        content = ("\n\n\n".join(passages) + "\n").encode("utf-8")
        digest = hashlib.sha256(content).hexdigest()
        if digest != EXPECTED_SHA256:
            raise TextError(
                f"the text has SHA-256 {digest}, not {EXPECTED_SHA256}: "
                "the packages differ from those named in examples/data/README.md"
            )
        arguments.output.write_bytes(content)
    except (TextError, OSError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.output}: {len(content)} bytes, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
