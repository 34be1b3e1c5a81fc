// A right capture in parts, so that each can be spoilt by itself.
#pragma once

#include "files.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace santa::example::test {

class RightFile {
 public:
  RightFile() {
    const Folder folder;
    write_safetensors(folder / "file", small_capture({0, 5}), {{"scale", "0.25"}});
    std::ifstream stream(folder / "file", std::ios::binary);
    _whole.assign(std::istreambuf_iterator<char>(stream), {});
    for (unsigned i = 8; i-- > 0;) _header_bytes = _header_bytes << 8 | static_cast<unsigned char>(_whole[i]);
    _header = nlohmann::json::parse(header());
  }

  [[nodiscard]] const std::string& whole() const { return _whole; }
  [[nodiscard]] std::string header() const { return _whole.substr(8, _header_bytes); }
  [[nodiscard]] std::string data() const { return _whole.substr(8 + _header_bytes); }
  [[nodiscard]] std::string with_header(const std::string& text) const {
    return length_bytes(text.size()) + text + data();
  }

  [[nodiscard]] std::string with_data(std::uint64_t at, const void* from, std::size_t bytes) const {
    std::string result = _whole;
    std::memcpy(result.data() + 8 + _header_bytes + at, from, bytes);
    return result;
  }

  /// The header's text with one member of an entry as given.
  [[nodiscard]] std::string replaced(const std::string& name, const std::string& member,
                                     const std::string& value) const {
    nlohmann::json spoilt = _header;
    spoilt[name][member] = "@";
    std::string text = spoilt.dump();
    return text.replace(text.find("\"@\""), 3, value);
  }

 protected:
  std::string _whole;
  std::uint64_t _header_bytes = 0;
  nlohmann::json _header;
};

}  // namespace santa::example::test
