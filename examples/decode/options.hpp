// The command line of santa-decode.
#pragma once

#include "decode/measure.hpp"
#include "decode/methods.hpp"
#include "decode/synthetic.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace santa::example {

struct Options {
  std::filesystem::path file = SANTA_DATA_DIR "/smollm2_135m.safetensors";
  std::optional<Synthetic> synthetic;  // instead of the file
  std::optional<int> layer;
  std::vector<const MethodEntry*> methods;
  MeasureOptions measure;
  std::filesystem::path output;
  bool json = false;
  bool sweep = false;
  std::filesystem::path svg;  // of a sweep; empty: none
  std::string help;           // not empty: print it and do no more
};

/// Parses the arguments after the program's name. Errors: UserError, one sentence.
Options parse_options(const std::vector<std::string>& arguments);

}  // namespace santa::example
