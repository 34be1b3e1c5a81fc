// What is printed of a model's text.
#include "generate/report.hpp"

#include <doctest/doctest.h>

#include <string>

namespace santa::example::test {

TEST_CASE("text_of_a_model_holds_no_commands_to_a_terminal") {
  // Tokens that are a line end, half of U+009B, which begins a command as ESC [ does, its other half, and a letter.
  const Vocabulary vocabulary({0, 1, 2, 3, 4, 6}, std::string("\n\xc2\x9b") + "a" + "\xc3\x9b");
  CHECK(safe_text({0, 3}, vocabulary) == "\na");
  CHECK(safe_text({1, 2, 3}, vocabulary) == " a");
  CHECK(safe_text({4, 3}, vocabulary) ==
        "\xc3\x9b"
        "a");  // U+00DB
  const Vocabulary controls({0, 1, 2, 3}, "\x1b\r\x7f");
  CHECK(safe_text({0, 1, 2, 9}, controls) == "   <9>");
}

}  // namespace santa::example::test
