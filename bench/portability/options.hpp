// What the portability benchmark is asked for.
#pragma once

#include <santa/core/shape.hpp>

#include <optional>
#include <string>
#include <vector>

namespace santa_bench {

struct Options {
  double share = 0.1;
  float sharpness = 3.F;
  int repeats = 21;
  bool quick = false;
  bool help = false;  // the usage is all that is asked for
  std::string only;   // a method
  std::optional<santa::Shape> shape;
  std::string layout;
  std::string scenario;  // of requests that differ in length, or "all": these alone
  int divide = 1;        // their lengths, by this
  std::string json;
};

/// The text for --help.
extern const char* const usage;

/// Errors: UserError, one sentence.
Options parse_options(const std::vector<std::string>& arguments);

}  // namespace santa_bench
