"""Tests of check_headers.py: what it reads, and that each rule is found broken where it is.

python3 -m unittest discover --start-directory tests/house
"""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_headers

HEADER = """// A comment with a brace: {
#pragma once
#define SANTA_TWO {\\
  {
namespace santa::inline SANTA_BUILD {

enum class Kind : int { one, two };
inline constexpr int numbers[2] = {1'000, 2};
template <class T>
concept Sized = requires(T t) { t.size(); };
inline constexpr auto twice = [](int x) {
  return 2 * x;
};

template <class T = int>
  requires requires(T t) { t.size(); }
struct [[nodiscard]] Thing : Base<T> {
  explicit Thing(const Options& options = {})
      : Base<T>{options}, _part{1}, _rest(f({2})) {
    if (options.good) { work("}"); }
  }

  KOKKOS_FUNCTION explicit(false) operator bool() const { return _part > 0; }
  bool operator<(const Thing& other) const {
    return _part < other._part;
  }
  struct Inner {
    std::vector<std::pair<int, int>> all() const noexcept {
      const auto first = [&] { return '{'; };
      struct Local { int f() { return 1; } };
      return {{first(), R"(})"}};
    }
  };

 private:
  int _part{0};
};

template <class F>
auto apply(F&& f, int from = 1)
    -> decltype(f(from)) {
  for (int i = 0; i < from; ++i) { f(i); }
  return f(from);
}

}
"""


class ReaderTest(unittest.TestCase):
    def test_functions_and_their_lines(self) -> None:
        self.assertEqual(
            [tuple(function) for function in check_headers.functions(HEADER)],
            [
                ("twice", 11, 3),
                ("Thing::Thing", 18, 4),
                ("Thing::operator bool", 23, 1),
                ("Thing::operator<", 24, 3),
                ("Thing::Inner::all", 28, 5),
                ("apply", 39, 6),
            ],
        )

    def test_braces_that_do_not_match(self) -> None:
        for text, line in (("\nvoid f() { }}\n", 2), ("\n\nvoid f() {\n", 3), ("void f() { (}\n", 1)):
            with self.subTest(text), self.assertRaises(check_headers.Unreadable) as raised:
                check_headers.functions(text)
            self.assertEqual(raised.exception.line, line)


class RulesTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.order: set[tuple[str, str]] = set()
        self.headers: dict[str, int] = {}
        self.functions: dict[tuple[str, str], int] = {}
        exceptions = {"ORDER": self.order, "HEADER": self.headers, "FUNCTION": self.functions}
        for name, own in exceptions.items():
            patch = mock.patch.object(check_headers, f"{name}_EXCEPTIONS", own)
            patch.start()
            self.addCleanup(patch.stop)
        self.write("santa.hpp", "#include <santa/core/shape.hpp>\n")
        self.write("core/shape.hpp", "#pragma once\n")

    def write(self, header: str, text: str) -> None:
        path = self.root / "include" / "santa" / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def expect(self, *findings: str) -> None:
        found = [str(finding).removeprefix("include/santa/") for finding in check_headers.check(self.root)]
        self.assertEqual(found, list(findings))

    def function(self, lines: int) -> str:
        return "struct S {\n  int f() {\n" + "\n" * (lines - 2) + "  }\n};\n"

    def test_nothing_is_found_where_all_is_well(self) -> None:
        self.expect()

    def test_no_headers(self) -> None:
        (self.root / "include" / "santa" / "santa.hpp").unlink()
        self.expect(f"santa.hpp:1: [exists] no headers in {self.root}")

    def test_headers_that_are_not_there(self) -> None:
        self.write("santa.hpp", "// All.\n#include <santa/core/shapes.hpp>\n")
        self.expect("santa.hpp:2: [exists] there is no santa/core/shapes.hpp")

    def test_order(self) -> None:
        self.write("lanes/math.hpp", "#include <santa/core/shape.hpp>\n#include <santa/lanes/math.hpp>\n")
        self.expect()
        self.write("core/shape.hpp", "\n#include <santa/lanes/math.hpp>\n")
        self.write("score/a.hpp", "#include <santa/merge/b.hpp>\n")
        self.write("merge/b.hpp", "#include <santa/santa.hpp>\n")
        order = check_headers.order_text()
        self.expect(
            f"core/shape.hpp:2: [order] core/ must not include santa/lanes/math.hpp: {order}",
            f"merge/b.hpp:1: [order] merge/ must not include santa/santa.hpp: {order}",
            f"score/a.hpp:1: [order] score/ must not include santa/merge/b.hpp: {order}",
        )

    def test_a_folder_without_a_place(self) -> None:
        self.write("shelf/a.hpp", "\n")
        self.expect("shelf/a.hpp:1: [order] shelf/ has no place in ORDER of tests/house/check_headers.py")

    def test_exceptions_of_the_order(self) -> None:
        self.write("lanes/math.hpp", "\n")
        self.write("core/shape.hpp", "#include <santa/lanes/math.hpp>\n")
        self.order.add(("core/shape.hpp", "lanes/math.hpp"))
        self.expect()
        self.write("core/shape.hpp", "\n")
        wrong = "santa/lanes/math.hpp needs no exception: strike it from ORDER_EXCEPTIONS"
        self.expect(f"core/shape.hpp:1: [order] {wrong}")

    def test_long_headers(self) -> None:
        self.write("core/shape.hpp", "\n" * 300)
        self.expect()
        self.write("core/shape.hpp", "\n" * 301)
        self.expect("core/shape.hpp:301: [header] it has 301 lines; accepted: up to 300")
        self.headers["core/shape.hpp"] = 301
        self.expect()
        self.write("core/shape.hpp", "\n" * 302)
        self.expect("core/shape.hpp:302: [header] it has 302 lines; accepted: up to 300; as an exception 301")
        self.write("core/shape.hpp", "\n" * 300)
        self.expect("core/shape.hpp:300: [header] it has 300 lines: strike it from HEADER_EXCEPTIONS")
        del self.headers["core/shape.hpp"]
        self.headers["core/gone.hpp"] = 301
        self.expect("core/gone.hpp:1: [header] is gone: strike it from HEADER_EXCEPTIONS")

    def test_long_functions(self) -> None:
        self.write("core/shape.hpp", self.function(60))
        self.expect()
        self.write("core/shape.hpp", self.function(61))
        self.expect("core/shape.hpp:2: [function] S::f has 61 lines; accepted: up to 60")
        self.functions["core/shape.hpp", "S::f"] = 62
        self.expect()
        self.write("core/shape.hpp", self.function(63))
        self.expect("core/shape.hpp:2: [function] S::f has 63 lines; accepted: up to 60; as an exception 62")
        self.write("core/shape.hpp", self.function(60))
        self.expect("core/shape.hpp:2: [function] S::f has 60 lines: strike it from FUNCTION_EXCEPTIONS")
        self.write("core/shape.hpp", "struct S {};\n")
        self.expect("core/shape.hpp:1: [function] has no S::f: strike it from FUNCTION_EXCEPTIONS")

    def test_what_can_not_be_followed(self) -> None:
        self.write("core/shape.hpp", "\n}\n")
        self.expect("core/shape.hpp:2: [function] this script can't follow: a } that closes nothing")


if __name__ == "__main__":
    unittest.main()
