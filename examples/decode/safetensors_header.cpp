#include "decode/safetensors_header.hpp"

#include "decode/error.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

namespace santa::example {
namespace {

using Json = nlohmann::json;

constexpr int deepest = 3;  // the numbers of a shape: {"name": {"shape": [2]}}
// Bounds of the memory that a hostile header can ask for.
constexpr std::size_t most_rank = 16;
constexpr std::size_t most_names = std::size_t{1} << 18;

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 17> element_bytes = {{{"BOOL", 1},
                                                                                       {"U8", 1},
                                                                                       {"I8", 1},
                                                                                       {"F8_E4M3", 1},
                                                                                       {"F8_E5M2", 1},
                                                                                       {"F8_E8M0", 1},
                                                                                       {"I16", 2},
                                                                                       {"U16", 2},
                                                                                       {"F16", 2},
                                                                                       {"BF16", 2},
                                                                                       {"I32", 4},
                                                                                       {"U32", 4},
                                                                                       {"F32", 4},
                                                                                       {"F64", 8},
                                                                                       {"I64", 8},
                                                                                       {"U64", 8},
                                                                                       {"C64", 8}}};

/// Reads the header without keeping it: JSON allows what a header may not have, the library's parser keeps the last of
/// two equal names, and what it builds must not take much more memory than the text. (As a callback of that parser this
/// would take time in the square of the number of tensors.)
class HeaderRules final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return element(); }
  bool boolean(bool /*value*/) override { return element(); }
  bool number_integer(std::int64_t /*value*/) override { return element(); }
  bool number_unsigned(std::uint64_t /*value*/) override { return element(); }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return element(); }
  bool string(std::string& /*value*/) override { return element(); }
  bool binary(Json::binary_t& /*value*/) override { return element(); }
  bool start_object(std::size_t /*size*/) override { return open(); }
  bool start_array(std::size_t /*size*/) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    Level& level = _levels[_depth];
    level.elements = 0;  // the next one is a member, not one of a list
    if (!level.names.insert(name).second) throw UserError("the header has the name " + quote(name) + " twice");
    if (level.names.size() > most_names)
      throw UserError("the header has more than " + std::to_string(most_names) + " names");
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/, const Json::exception& error) override {
    constexpr int number_out_of_range = 406;
    if (error.id == number_out_of_range) throw UserError("the header has a number beyond all ranges");
    throw UserError("the header is not valid JSON (at byte " + std::to_string(position) + " of it)");
  }

 private:
  struct Level {
    std::set<std::string> names;
    std::size_t elements = 0;
  };

  bool element() {
    if (++_levels[_depth].elements > most_rank)
      throw UserError("the header has a list of more than " + std::to_string(most_rank) + " elements");
    return true;
  }
  bool open() {
    element();
    if (_depth == deepest) throw UserError("the header is nested too deeply");
    _levels[++_depth] = {};
    return true;
  }
  bool close() {
    --_depth;
    return true;
  }

  std::array<Level, deepest + 1> _levels;
  std::size_t _depth = 0;
};

Json parse_json(std::string_view text) {
  // The parser takes a NUL for the end.
  if (const auto end = text.find('\0'); end != std::string_view::npos)
    throw UserError("the header is not valid JSON (at byte " + std::to_string(end + 1) + " of it)");
  HeaderRules rules;
  Json::sax_parse(text, &rules);
  return Json::parse(text);
}

const Json& member(const Json& entry, const std::string& name, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end()) throw UserError("tensor " + quote(name) + " has no " + key);
  return *found;
}

std::int64_t size_from(const Json& number, const std::string& name, const char* key) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  if (!number.is_number_unsigned() || number.get<std::uint64_t>() > most)
    throw UserError("tensor " + quote(name) + " has a " + key + " that is not a list of whole numbers from 0 to 2^63");
  return static_cast<std::int64_t>(number.get<std::uint64_t>());
}

std::vector<std::int64_t> sizes_from(const Json& entry, const std::string& name, const char* key) {
  const Json& list = member(entry, name, key);
  if (!list.is_array()) throw UserError("tensor " + quote(name) + " has a " + key + " that is not a list");
  std::vector<std::int64_t> sizes;
  for (const Json& number : list) sizes.push_back(size_from(number, name, key));
  return sizes;
}

TensorInfo tensor_from(const Json& entry, const std::string& name, std::uint64_t data_bytes) {
  if (!entry.is_object()) throw UserError("the header's entry " + quote(name) + " is not an object");
  const Json& dtype = member(entry, name, "dtype");
  if (!dtype.is_string()) throw UserError("tensor " + quote(name) + " has a dtype that is not a string");
  const auto offsets = sizes_from(entry, name, "data_offsets");
  if (offsets.size() != 2) throw UserError("tensor " + quote(name) + " has data_offsets that are not a pair");
  TensorInfo info{dtype.get<std::string>(), sizes_from(entry, name, "shape"), static_cast<std::uint64_t>(offsets[0]),
                  static_cast<std::uint64_t>(offsets[1])};
  if (info.begin > info.end) throw UserError("tensor " + quote(name) + " has data_offsets that end before they begin");
  if (info.end > data_bytes)
    throw UserError("tensor " + quote(name) + " reaches to byte " + std::to_string(info.end) +
                    " of the data, but the file has only " + std::to_string(data_bytes));
  const std::uint64_t needed = bytes_of(info.dtype, info.shape);
  if (needed != info.end - info.begin)
    throw UserError("tensor " + quote(name) + " has " + std::to_string(info.end - info.begin) + " bytes, but " +
                    printable(info.dtype) + " " + to_text(info.shape) + " takes " + std::to_string(needed));
  return info;
}

std::map<std::string, std::string> metadata_from(const Json& entry) {
  if (!entry.is_object()) throw UserError("the header's __metadata__ is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) throw UserError("the header's __metadata__ " + quote(key) + " is not a string");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

void check_no_overlap(const std::map<std::string, TensorInfo>& tensors) {
  std::vector<std::pair<const TensorInfo*, const std::string*>> order;
  for (const auto& [name, info] : tensors)
    if (info.begin < info.end) order.emplace_back(&info, &name);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first->begin < b.first->begin; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i].first->begin < order[i - 1].first->end)
      throw UserError("tensors " + quote(*order[i - 1].second) + " and " + quote(*order[i].second) + " overlap");
}

}  // namespace

std::string to_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::uint64_t bytes_of(const std::string& dtype, const std::vector<std::int64_t>& shape) {
  const auto* const known =
      std::find_if(element_bytes.begin(), element_bytes.end(), [&](const auto& entry) { return entry.first == dtype; });
  if (known == element_bytes.end()) throw UserError("the header has the unknown dtype " + quote(dtype));
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::uint64_t bytes = known->second;
  for (const std::int64_t extent : shape) {
    if (static_cast<std::uint64_t>(extent) > std::numeric_limits<std::int64_t>::max() / bytes)
      throw UserError("the header has a shape " + to_text(shape) + " of more than 2^63 bytes");
    bytes *= static_cast<std::uint64_t>(extent);
  }
  return bytes;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes) {
  const Json json = parse_json(text);
  if (!json.is_object()) throw UserError("the header is JSON, but not an object");
  SafetensorsHeader header;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__")
      header.metadata = metadata_from(entry);
    else
      header.tensors[name] = tensor_from(entry, name, data_bytes);
  }
  check_no_overlap(header.tensors);
  return header;
}

}  // namespace santa::example
