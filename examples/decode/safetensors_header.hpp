// The JSON header of a safetensors file, checked so that whoever reads the data can trust it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace santa::example {

/// What the header says about a tensor: its bytes are `begin` up to `end` of the file's data.
struct TensorInfo {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
};

/// "[2, 3]"
std::string to_text(const std::vector<std::int64_t>& shape);

/// Bytes that a tensor takes. Errors: UserError for a type that the format doesn't know, for sizes beyond 2^63.
std::uint64_t bytes_of(const std::string& dtype, const std::vector<std::int64_t>& shape);

/// Parses the header of a file that has `data_bytes` bytes after it. Nothing in `text` is trusted.
/// Errors: UserError, one sentence without the file's name.
SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes);

}  // namespace santa::example
