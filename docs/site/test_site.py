"""Tests of what makes the site's pages, without Doxygen and MkDocs."""
import unittest

import declarations
import links
import reference
from declarations import Name

HEADER = """\
/// Rows of a cache.
/// Shapes:   keys [batch, length],
///           any strides. Errors: std::invalid_argument.
template <class T,
          class Memory = void>
class Rows : public Base {
 public:
  // How many there are.
  [[nodiscard]] KOKKOS_FUNCTION int count() const { return _count; }
  int first = 0;  // row
                  // of the whole
  int last = 0;
  Rows(int count) : _count(count) {}

  template <class U>
    requires std::integral<U>
  void run(const U& more = {}) const {
    std::abort();
  }
};
enum class Order { up, down };
""".splitlines()


def line_of(text):
    return next(i for i, line in enumerate(HEADER, 1) if text in line)


class Docstrings(unittest.TestCase):
    def test_above(self):
        self.assertEqual(declarations.docstring(HEADER, line_of("class Rows"))[0], "Rows of a cache.")
        self.assertEqual(declarations.docstring(HEADER, line_of("count() const")), ["How many there are."])

    def test_behind(self):
        self.assertEqual(declarations.docstring(HEADER, line_of("int first")), ["row", "of the whole"])

    def test_none(self):
        self.assertEqual(declarations.docstring(HEADER, line_of("int last")), [])
        self.assertEqual(declarations.docstring(HEADER, line_of("void run")), [])

    def test_rendered(self):
        text = reference.rendered(declarations.docstring(HEADER, line_of("class Rows")))
        self.assertEqual(text, "Rows of a cache.\n\n**Shapes:** keys \\[batch, length\\], any strides.\n\n"
                               "**Errors:** std::invalid\\_argument.")

    def test_text_is_read_as_it_stands(self):
        self.assertEqual(reference.escaped("<q, k_i> * `a_i`"), "&lt;q, k\\_i> \\* `a_i`")


class Declarations(unittest.TestCase):
    def expect(self, text, kind, declared):
        self.assertEqual(declarations.declaration(HEADER, line_of(text), kind), declared)

    def test_without_bodies(self):
        self.expect("class Rows", "class", "template <class T,\n          class Memory = void>\nclass Rows : public Base;")
        self.expect("count() const", "function", "int count() const;")
        self.expect("Rows(int", "function", "Rows(int count);")
        self.expect("void run", "function",
                    "template <class U>\n  requires std::integral<U>\nvoid run(const U& more = {}) const;")

    def test_data_and_enumerations(self):
        self.expect("int first", "variable", "int first = 0;")
        self.expect("enum class", "enum", "enum class Order { up, down };")


class Undocumented(unittest.TestCase):
    def names(self, docstring, member="", of_member=()):
        members = [Name(member, "function", "a.hpp", 9, "", list(of_member))] if member else []
        return [Name("Rows", "class", "a.hpp", 6, "", docstring, members)]

    def expect(self, names, *found):
        self.assertEqual(list(declarations.undocumented(names)), list(found))

    def test_names(self):
        self.expect(self.names(["Rows."]))
        self.expect(self.names([]), "a.hpp:6 Rows")

    def test_members(self):
        self.expect(self.names(["Rows."], "leap"), "a.hpp:9 Rows::leap")
        self.expect(self.names(["Rows."], "leap", ["Leaps."]))
        self.expect(self.names(["Rows that leap."], "leap"))
        self.expect(self.names(["Rows that leapfrog."], "leap"), "a.hpp:9 Rows::leap")
        self.expect(self.names(["Rows."], "shape"))

    def test_overloads_share_one(self):
        self.expect([Name("run", "function", "a.hpp", 1, "", ["Runs."]), Name("run", "function", "a.hpp", 2, "", [])])


class Links(unittest.TestCase):
    def expect(self, uri, text, became):
        self.assertEqual(links.rewritten(text, uri), became)

    def test_within_docs(self):
        self.expect("a.md", "[b](b.md#c) [d](#e) [f](https://g.h/i.md)", "[b](b.md#c) [d](#e) [f](https://g.h/i.md)")

    def test_into_the_repository(self):
        self.expect("a.md", "[b](../bench/RESULTS.md#c)", "[b](repository/bench/RESULTS.md#c)")
        self.expect("a.md", "[b](../examples/b.cpp)", "[b](repository/examples/b.cpp.source.md)")
        self.expect("a.md", "[b](../include/santa/santa.hpp)", "[b](reference/index.md)")

    def test_out_of_it(self):
        self.expect("repository/bench/RESULTS.md", "[a](../docs/a.md) ![b](results/b.svg)", "[a](../../a.md) ![b](results/b.svg)")

    def test_names(self):
        text = "`Shape` and `santa::Shape` and [`Shape`](x.md) and ``Shape``\n```\n`Shape`\n```"
        linked = "[`Shape`](r/core.md#shape) and [`santa::Shape`](r/core.md#shape) and [`Shape`](x.md) and ``Shape``\n" \
                 "```\n`Shape`\n```"
        self.assertEqual(reference.link_names(text, {"Shape": "core"}, "", "r/"), linked)


if __name__ == "__main__":
    unittest.main()
