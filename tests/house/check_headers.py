#!/usr/bin/env python3
"""Checks the headers against the rules of CONTRIBUTING.md: check_headers.py [<folder of the repository>]

order     includes go one way between folders
exists    what santa's headers include of santa's is there
header    a header is at most 300 lines long
function  a function is at most 60 lines long, from the first line of its declaration; its lambdas are part of it

What breaks a rule today is listed below, as long as it is today. An entry that is not needed any more is an error too,
so that the lists only get shorter. Exit code 1 with a line for each error: file:line: [rule] what is wrong.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

from findings import Finding, run

# A header includes those of its own folder and of the rows above; not of the others in its row.
ORDER = (
    ("random",),
    ("core",),
    ("lanes", "schedule"),
    ("cache",),
    ("score", "gather", "merge"),
    ("sample",),
    ("decode",),
    ("rows", "token", "clusters"),
    ("ranks",),
)
MOST_HEADER_LINES = 300
MOST_FUNCTION_LINES = 60

# Header and what it includes.
ORDER_EXCEPTIONS: set[tuple[str, str]] = set()
# Header, and lines that it may have.
HEADER_EXCEPTIONS: dict[str, int] = {}
# Header and function (of those that share a name, the longest), and lines that it may have.
FUNCTION_EXCEPTIONS: dict[tuple[str, str], int] = {}


class Function(NamedTuple):
    name: str  # with the classes around it
    line: int
    lines: int


class Unreadable(Exception):
    """Braces that the reader can't follow: a line, and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line, self.why = line, why


# --- Reading C++ ---------------------------------------------------------------------------------------------------

# Where braces are none. A quote after a digit separates digits.
NO_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])*'"""
    r"""|^[ \t]*\#(?:\\\n|[^\n])*""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
ACCESS = re.compile(r"\s*(?:public|protected|private)\s*:(?!:)|\s+")
OPERATOR = re.compile(r"\boperator\s*(\(\s*\)|\[\s*\]|[^\s\w(]+|[\w:]+)")
NO_NAMES = {"requires", "explicit", "decltype", "noexcept", "alignas", "__attribute__", "__launch_bounds__"}
CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


def only_code(text: str) -> str:
    """The text with blanks for comments, literals and preprocessor lines; every line keeps its place."""
    return NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def outline(head: str) -> str:
    """A declaration with empty brackets and operators as names: `template<> auto operator_(), int x[] = f()`."""
    named = OPERATOR.sub(lambda found: "operator_" + re.sub(r"\W+", "_", found[1]), head.replace("->", ""))
    result = ""
    closing: list[str] = []
    for character in named:
        if closing and character == closing[-1]:
            closing.pop()
        if not closing:
            result += character
        if character in "([{" or (character == "<" and (not closing or closing[-1] == ">")):
            closing.append(CLOSING[character])
    return re.sub(r"^\s*(template\s*<>\s*)*", "", result).strip()


def kind_of(declaration: str) -> tuple[str, str]:
    """What a brace after it opens, outside functions: namespace, class, function or values; and the name of that."""
    head = outline(declaration)
    if re.match(r"(inline\s+)?namespace\b|extern$", head):
        return "namespace", ""
    if found := re.search(r"\b(?:class|struct|union|enum)\b(?:\s*class\b)?(?:\s*\[\]|\s*alignas\(\))*\s*(\w*)", head):
        return "class", found[1]
    declared, assigned, value = head.partition("=")
    if assigned:
        found = re.search(r"(\w+)\s*$", declared)
        return ("function" if value.lstrip().startswith("[]") else "values"), found[1] if found else ""
    requirement = re.search(r"\brequires\s*(\(\))?$", head)
    # In a list of initialisers, braces after a name are a member's, up to the function's own.
    initialiser = re.search(r"\)\s*(noexcept\s*(\(\))?)?\s*:(?!:)", head) and re.search(r"[\w>]$", head)
    if not requirement and not initialiser:
        for name in re.finditer(r"(~?\b\w+)\s*\(", head):
            if name[1] not in NO_NAMES:
                operator = OPERATOR.search(declaration) if name[1].startswith("operator_") else None
                return "function", operator[0] if operator else name[1]
    return "values", ""


def functions(text: str) -> list[Function]:
    """All functions that have a body, whether of namespaces or of classes. Errors: Unreadable."""
    code = only_code(text)
    found = []
    scopes: list[tuple[str, str, int]] = []  # kind, name, where the declaration begins
    begin = 0  # of the declaration that is being read

    def line(at: int) -> int:
        return code.count("\n", 0, at) + 1

    for at, character in ((match.start(), match[0]) for match in re.finditer(r"[(){};]", code)):
        inside = scopes[-1][0] if scopes else "namespace"
        if character == ";":
            if inside in ("namespace", "class"):
                begin = at + 1
        elif character == "(":
            scopes.append(("(", "", begin))
        elif character == "{":
            while blank := ACCESS.match(code, begin, at):
                begin = blank.end()
            kind, name = kind_of(code[begin:at]) if inside in ("namespace", "class") else ("values", "")
            scopes.append((kind, name, begin))
            if kind in ("namespace", "class"):
                begin = at + 1
        else:
            if not scopes or (scopes[-1][0] == "(") != (character == ")"):
                raise Unreadable(line(at), f"a {character} that closes nothing")
            kind, name, first = scopes.pop()
            if kind == "function":
                classes = [scope for what, scope, _ in scopes if what == "class"]
                found.append(Function("::".join([*classes, name]), line(first), line(at) - line(first) + 1))
            if kind in ("namespace", "class", "function"):
                begin = at + 1
    if scopes:
        raise Unreadable(line(scopes[-1][2]), "what begins here is not closed")
    return found


# --- Rules ---------------------------------------------------------------------------------------------------------


class Headers:
    """The headers of a repository, by their names after santa/."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "include" / "santa"
        paths = sorted(self._folder.rglob("*.hpp"))
        self.texts = {str(path.relative_to(self._folder)): path.read_text(encoding="utf-8") for path in paths}

    def includes(self) -> Iterator[tuple[str, int, str]]:
        """Header, line and what is included there of santa's."""
        for header, text in self.texts.items():
            for number, line in enumerate(text.splitlines(), 1):
                if found := re.match(r'\s*#\s*include\s*[<"](?:santa/)([^>"]+)[>"]', line):
                    yield header, number, found[1]


def place(header: str, line: int = 1) -> str:
    return f"include/santa/{header}:{line}"


def folder_of(header: str) -> str:
    """Empty for santa.hpp, which may include all."""
    return header.partition("/")[0] if "/" in header else ""


def check_exists(headers: Headers) -> Iterator[Finding]:
    for header, line, included in headers.includes():
        if included not in headers.texts:
            yield Finding(place(header, line), "exists", f"there is no santa/{included}")


def check_order(headers: Headers) -> Iterator[Finding]:
    rank = {folder: number for number, row in enumerate(ORDER) for folder in row}
    for header in headers.texts:
        folder = folder_of(header)
        if folder and folder not in rank:
            yield Finding(place(header), "order", f"{folder}/ has no place in ORDER of tests/house/check_headers.py")
    unused = set(ORDER_EXCEPTIONS)
    for header, line, included in headers.includes():
        own, other = folder_of(header), folder_of(included)
        if own not in rank or own == other or (other in rank and rank[other] < rank[own]):
            continue
        if (header, included) not in ORDER_EXCEPTIONS:
            yield Finding(place(header, line), "order", f"{own}/ must not include santa/{included}: {order_text()}")
        unused.discard((header, included))
    for header, included in sorted(unused):
        yield Finding(place(header), "order", f"santa/{included} needs no exception: strike it from ORDER_EXCEPTIONS")


def order_text() -> str:
    return " <- ".join(row[0] if len(row) == 1 else "{" + ", ".join(row) + "}" for row in ORDER)


def check_length(where: str, rule: str, what: str, lines: int, most: int, allowed: int | None) -> Iterator[Finding]:
    """Of a header or a function, which may have `allowed` lines where it is an exception."""
    if lines > max(most, allowed or 0):
        today = f"; as an exception {allowed}" if allowed else ""
        yield Finding(where, rule, f"{what} has {lines} lines; accepted: up to {most}{today}")
    elif allowed and lines <= most:
        yield Finding(where, rule, f"{what} has {lines} lines: strike it from {rule.upper()}_EXCEPTIONS")


def check_headers(headers: Headers) -> Iterator[Finding]:
    for header, text in headers.texts.items():
        lines, allowed = len(text.splitlines()), HEADER_EXCEPTIONS.get(header)
        yield from check_length(place(header, lines), "header", "it", lines, MOST_HEADER_LINES, allowed)
    for header in sorted(HEADER_EXCEPTIONS.keys() - headers.texts.keys()):
        yield Finding(place(header), "header", "is gone: strike it from HEADER_EXCEPTIONS")


def check_functions(headers: Headers) -> Iterator[Finding]:
    longest: dict[tuple[str, str], Function] = {}  # of those that share a name
    for header, text in headers.texts.items():
        try:
            for function in functions(text):
                key = header, function.name
                if key not in longest or longest[key].lines < function.lines:
                    longest[key] = function
        except Unreadable as error:
            yield Finding(place(header, error.line), "function", f"this script can't follow: {error.why}")
    for (header, name), (_, line, lines) in longest.items():
        allowed = FUNCTION_EXCEPTIONS.get((header, name))
        yield from check_length(place(header, line), "function", name, lines, MOST_FUNCTION_LINES, allowed)
    for header, name in sorted(FUNCTION_EXCEPTIONS.keys() - longest.keys()):
        yield Finding(place(header), "function", f"has no {name}: strike it from FUNCTION_EXCEPTIONS")


def check(root: Path) -> list[Finding]:
    headers = Headers(root)
    if "santa.hpp" not in headers.texts:
        return [Finding(place("santa.hpp"), "exists", f"no headers in {root}")]
    rules = (check_exists, check_order, check_headers, check_functions)
    return [finding for rule in rules for finding in rule(headers)]


if __name__ == "__main__":
    sys.exit(run(check))
