#!/usr/bin/env python3
"""Checks what packages say of the library: check_packages.py [<folder of the repository>]

agree    version, licence and description are those of include/santa/core/version.hpp, LICENSE and CMakeLists.txt, in
         CITATION.cff, the recipes of packaging/, the pkg-config files, the site and, where it is there, python/pyproject.toml
option   what a recipe sets of CMake's SANTA_... is an option of the project
file     what a recipe names in the checkout is there

Exit code 1 with a line for each error: file:line: [rule] what is wrong.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Iterator, NamedTuple

from findings import Finding, run

SPACK = "packaging/spack/spack_repo/santa/packages/santa/package.py"
CONDA = "packaging/conda/recipe/recipe.yaml"
PYTHON = "python/pyproject.toml"


class Facts(NamedTuple):
    version: str | None
    licence: str | None
    description: str | None


# Of each file, patterns whose only group is the value. None: CMake writes it.
PATTERNS = {
    "CITATION.cff": Facts(r"^version: (.+)$", r"^license: (.+)$", r"^abstract: (.+)$"),
    CONDA: Facts(r'^  version: "(.+)"$', r"^  license: (.+)$", r"^  summary: (.+)$"),
    SPACK: Facts(r'^    version\("([^"]+)"', r'^    license\("([^"]+)"', r'^class Santa\(.*\n    """([^"\n]+)'),
    "docs/site/mkdocs.yml": Facts(None, None, r"^site_description: (.+)$"),
    "cmake/santa.pc.in": Facts(None, r"^License: (.+)$", None),
    "cmake/santa-kernels.pc.in": Facts(None, r"^License: (.+)$", None),
}
OPTION = re.compile(r"\bSANTA_[A-Z_]+\b")
DEFINED = re.compile(r"^ *(?:option\((\w+)|set\((\w+) .*\bCACHE\b)", re.MULTILINE)
CHECKED_OUT = re.compile(r"\b(?:examples|tests)/[\w/.]+")


def find(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else None


def read(root: Path, name: str) -> str:
    path = root / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def facts_of_library(root: Path) -> Facts:
    """None for what is not found."""
    version = find(r'^#define SANTA_VERSION_STRING "(.+)"$', read(root, "include/santa/core/version.hpp"))
    licence = "Apache-2.0" if re.match(r"\s*Apache License\s+Version 2\.0", read(root, "LICENSE")) else None
    return Facts(version, licence, find(r'^  DESCRIPTION "(.+)"$', read(root, "CMakeLists.txt")))


def facts_of_python(root: Path, library: Facts) -> Facts:
    """What is dynamic there comes from the library."""
    project = tomllib.loads(read(root, PYTHON)).get("project", {})
    licence = project.get("license")
    version = library.version if "version" in project.get("dynamic", []) else project.get("version")
    return Facts(version, licence.get("text") if isinstance(licence, dict) else licence, project.get("description"))


def check_agree(root: Path) -> Iterator[Finding]:
    library = facts_of_library(root)
    said = [(name, what, find(pattern, read(root, name)), its)
            for name, patterns in PATTERNS.items()
            for what, pattern, its in zip(Facts._fields, patterns, library) if pattern]
    if (root / PYTHON).is_file():
        said += [(PYTHON, *facts) for facts in zip(Facts._fields, facts_of_python(root, library), library)]
    for name, what, own, its in said:
        if own != its or not its:
            yield Finding(f"{name}:1", "agree", f"its {what} is {own!r}; the library's is {its!r}")


def check_options(root: Path) -> Iterator[Finding]:
    sources = [root / "CMakeLists.txt", *sorted((root / "cmake").glob("*.cmake"))]
    defined = {name for path in sources if path.is_file() for pair in DEFINED.findall(path.read_text("utf-8")) for name in pair}
    defined |= {"SANTA_SOURCE"}  # of tests/package/linked
    for recipe in (CONDA, SPACK):
        for line, text in enumerate(read(root, recipe).splitlines(), 1):
            for name in OPTION.findall(text):
                if name not in defined:
                    yield Finding(f"{recipe}:{line}", "option", f"CMake has no option {name}")


def check_files(root: Path) -> Iterator[Finding]:
    for line, text in enumerate(read(root, CONDA).splitlines(), 1):
        for name in CHECKED_OUT.findall(text):
            if not (root / name).exists():
                yield Finding(f"{CONDA}:{line}", "file", f"there is no {name}")


def check(root: Path) -> list[Finding]:
    return [finding for rule in (check_agree, check_options, check_files) for finding in rule(root)]


if __name__ == "__main__":
    sys.exit(run(check))
