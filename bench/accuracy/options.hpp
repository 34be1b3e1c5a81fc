// What santa_accuracy is asked to do.
#pragma once

#include "accuracy/plain_draws.hpp"
#include "accuracy/stages.hpp"
#include "decode/methods.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace santa::accuracy {

/// The library's recommended method: the others are compared with it at its rows.
inline constexpr std::string_view default_method = "mass-unit";

struct Options {
  std::string help;  // not empty: to be printed, and nothing else
  std::vector<std::filesystem::path> files;
  std::filesystem::path output;
  std::vector<double> budgets = {0.05, 0.1};
  std::vector<const example::MethodEntry*> methods;  // without the default
  std::vector<const Variant*> variants;
  std::vector<const Stage*> stages;  // if any: these instead, at `shares` of the bytes, or at `budgets` of the rows
  std::vector<double> shares;        // in falling order
  std::vector<int> layers;           // none: all
  std::int64_t extend = 0;
  int seeds = 128;
};

/// Errors: UserError, one sentence.
Options parse_options(const std::vector<std::string>& arguments);

}  // namespace santa::accuracy
