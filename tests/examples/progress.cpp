// The line that says how far a run is.
#include "decode/progress.hpp"

#include <doctest/doctest.h>

using namespace santa::example;

TEST_CASE("a_line_of_progress_has_one_line_and_no_commands_to_a_terminal") {
  CHECK(progress_line("prose 1, 2048, tokens", 3, 8) == "prose 1, 2048, tokens 37 %");
  CHECK(progress_line("a\nb\x1b[2J\r", 0, 0) == "a?b?[2J? 0 %");
}
