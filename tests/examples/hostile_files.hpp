// Broken captures, made from a right one by systematic mutations of its bytes, header and data.
#pragma once

#include "right_file.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace santa::example::test {

struct HostileFile {
  std::string what;
  std::string bytes;
};

/// The mutations, by what they spoil.
class HostileFiles : public RightFile {
 public:
  /// Every one of them must be refused.
  [[nodiscard]] std::vector<HostileFile> all() const {
    std::vector<HostileFile> files;
    add_truncations(files);
    add_lengths(files);
    add_members(files);
    add_structure(files);
    add_names(files);
    add_junk(files);
    add_data(files);
    return files;
  }

 private:
  using Files = std::vector<HostileFile>;

  void add_truncations(Files& files) const {
    const auto cut = [&](std::size_t kept) {
      files.push_back({"cut to " + std::to_string(kept) + " bytes", _whole.substr(0, kept)});
    };
    for (std::size_t kept = 0; kept < 16; ++kept) cut(kept);
    for (std::size_t kept = 16; kept + 1 < _whole.size(); kept += 61) cut(kept);
    for (const std::size_t near : {_header_bytes + 7, _header_bytes + 8, _header_bytes + 9, _whole.size() - 1})
      cut(near);
  }

  void add_lengths(Files& files) const {
    constexpr std::uint64_t one = 1;
    for (const std::uint64_t length :
         {std::uint64_t{0}, one, _header_bytes / 2, _header_bytes - 17, _whole.size() - 8, _whole.size() - 7,
          _whole.size(), std::uint64_t{100'000'000}, std::uint64_t{100'000'001}, (one << 31) - 1, one << 31, one << 32,
          (one << 32) + _header_bytes, (one << 63) - 1, one << 63, (one << 63) + _header_bytes, ~one - 7, ~one + 1})
      files.push_back({"a header of " + std::to_string(length) + " bytes", length_bytes(length) + header() + data()});
  }

  /// Each member of an entry replaced by each of a list of wrong values, as JSON text: some are no JSON.
  void add_members(Files& files) const {
    const std::vector<std::pair<std::string, std::vector<std::string>>> wrong = {
        {"dtype",
         {"\"F64\"", "\"f32\"", "\"\"", "\"F32\\u0000\"", "\"BOOL\"", "\"F33\"", "null", "32", "[\"F32\"]", "{}"}},
        {"shape",
         {"null",
          "3",
          "\"[3,2,8]\"",
          "{}",
          "[]",
          "[48]",
          "[3,2]",
          "[3,2,8,1]",
          "[-3,-2,8]",
          "[3,2,-8]",
          "[3,2,8.0]",
          "[3,2,9]",
          "[0,2,8]",
          "[3,0,8]",
          "[3,2,0]",
          "[3,2,null]",
          "[3,2,\"8\"]",
          "[3,2,true]",
          "[3,2,[8]]",
          "[3,2,8e0]",
          "[3,2,1e99]",
          "[3,2,1e999]",
          "[9223372036854775808,2,8]",
          "[18446744073709551615,2,8]",
          "[18446744073709551619,2,8]",
          "[4294967296,4294967296,8]",
          "[2305843009213693952,8,3]",
          "[3,2,2305843009213693960]",
          "[6148914691236517206,3,8]",
          "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,3,2,8]",
          "[9223372036854775807,9223372036854775807,9223372036854775807]",
          "[3,2,8",
          "[3,,8]",
          "[3,2,8,]",
          "[3 2 8]",
          "[0x3,2,8]",
          "[03,2,8]",
          "[+3,2,8]",
          "[3,2,NaN]",
          "[3,2,Infinity]"}},
        {"data_offsets",
         {"null",
          "0",
          "\"0,192\"",
          "{}",
          "[]",
          "[0]",
          "[0,64,192]",
          "[192,0]",
          "[-1,191]",
          "[-192,0]",
          "[0,-1]",
          "[0,192.0]",
          "[0,191]",
          "[0,193]",
          "[0,\"192\"]",
          "[null,192]",
          "[[0],192]",
          "[1000000,1000192]",
          "[9223372036854775615,9223372036854775807]",
          "[18446744073709551424,18446744073709551615]",
          "[18446744073709551615,191]",
          "[0,9223372036854775807]",
          "[0,18446744073709551808]",
          "[0,1e3]",
          "[0,1e999]",
          "[4294967296,4294967488]"}},
    };
    for (const auto& [member, values] : wrong)
      for (const std::string& value : values) {
        files.push_back({"key." + member + " = " + value, with_header(replaced("layers.0.key", member, value))});
      }
    for (const char* const part : {"query", "value", "position"})
      for (const auto& [member, values] : wrong)
        for (std::size_t i = 0; i < values.size(); i += 5)
          files.push_back({part + ("." + member) + " = " + values[i],
                           with_header(replaced("layers.5." + std::string(part), member, values[i]))});
    for (const char* const part : {"query", "key", "value", "position"})
      for (const char* const member : {"dtype", "shape", "data_offsets"}) {
        nlohmann::json spoilt = _header;
        spoilt["layers.0." + std::string(part)].erase(member);
        files.push_back({part + std::string(" without ") + member, with_header(spoilt.dump())});
      }
    // Each tensor over each other: overlapping by all, and by one byte.
    for (const auto& [name, entry] : _header.items())
      for (const auto& [other, target] : _header.items()) {
        if (name == other || name == "__metadata__" || other == "__metadata__") continue;
        nlohmann::json spoilt = _header;
        const std::uint64_t begin = target["data_offsets"][0];
        const std::uint64_t size =
            entry["data_offsets"][1].get<std::uint64_t>() - entry["data_offsets"][0].get<std::uint64_t>();
        spoilt[name]["data_offsets"] = {begin, begin + size};
        files.push_back({name + " over " + other, with_header(spoilt.dump())});
      }
  }

  /// Each kind of punctuation lost, doubled or exchanged, at its first, middle and last place.
  void add_structure(Files& files) const {
    const std::string text = nlohmann::json(_header).dump();
    for (const char mark : std::string("{}[]:,\"")) {
      std::vector<std::size_t> places;
      for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == mark) places.push_back(i);
      for (const std::size_t place : {places.front(), places[places.size() / 2], places.back()}) {
        const std::string before = text.substr(0, place);
        const std::string after = text.substr(place + 1);
        const std::string where = std::string(1, mark) + " at " + std::to_string(place);
        files.push_back({"no " + where, with_header(before + after)});
        files.push_back({"two " + where, with_header(before + mark + mark + after)});
        files.push_back({"; for " + where, with_header(before + ';' + after)});
        files.push_back({"NUL for " + where, with_header(before + '\0' + after)});
      }
    }
  }

  void add_names(Files& files) const {
    for (const auto& [name, entry] : _header.items()) {
      const std::string member = nlohmann::json(name).dump() + ":" + entry.dump();
      const std::string text = _header.dump();
      files.push_back({name + " twice", with_header("{" + member + "," + text.substr(1))});
      if (name == "__metadata__") continue;
      nlohmann::json spoilt = _header;
      spoilt.erase(name);
      if (name.find("query") == std::string::npos) files.push_back({"no " + name, with_header(spoilt.dump())});
      for (const nlohmann::json& junk :
           std::vector<nlohmann::json>{nullptr, 1, "x", nlohmann::json::array(), nlohmann::json::object()}) {
        spoilt[name] = junk;
        files.push_back({name + " = " + junk.dump(), with_header(spoilt.dump())});
      }
    }
    for (const std::string metadata :
         {"null", "7", "[]", "\"scale\"", R"({"scale":0.125})", R"({"scale":null})", R"({"scale":"0"})",
          R"({"scale":"-1"})", R"({"scale":"nan"})", R"({"scale":"1e999"})", R"({"scale":""})", R"({"scale":"1 "})",
          R"({"scale":"1","scale":"1"})", R"({"a":{"b":"c"}})", R"({"a":["b"]})"}) {
      std::string text = _header.dump();
      const std::string right = _header["__metadata__"].dump();
      text.replace(text.find(right), right.size(), metadata);
      files.push_back({"__metadata__ " + metadata, with_header(text)});
    }
  }

  void add_junk(Files& files) const {
    const std::string text = _header.dump();
    const std::vector<std::pair<std::string, std::string>> headers = {
        {"nothing", ""},
        {"spaces", std::string(64, ' ')},
        {"zeros", std::string(64, '\0')},
        {"null", "null"},
        {"a list", "[" + text + "]"},
        {"a string", "\"" + std::string(64, 'a') + "\""},
        {"no tensors", "{}"},
        {"two objects", text + text},
        {"a tail", text + "x"},
        {"a NUL tail", text + std::string(1, '\0')},
        {"a comment", "/**/" + text},
        {"single quotes", "{'a':1}"},
        {"UTF-16", std::string("{\0}\0", 4)},
        {"deep lists", std::string(200'000, '[')},
        {"deep objects", repeated("{\"a\":", 200'000)},
        {"deep lists in an entry", "{\"a\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}"},
        {"deep lists in a shape", R"({"a":{"shape":)" + std::string(200'000, '[')},
        {"a long list", "[" + repeated("1,", 500'000) + "1]"},
        {"a long list as entry", R"({"a":[)" + repeated("1,", 500'000) + "1]}"},
        {"a long shape", R"({"a":{"shape":[)" + repeated("1,", 500'000) + "1]}}"},
        {"a long number", R"({"a":{"shape":[)" + std::string(500'000, '9') + "]}}"},
        {"a long fraction", R"({"a":{"shape":[0.)" + std::string(500'000, '9') + "]}}"},
        {"a long name", "{\"" + std::string(500'000, 'a') + "\":1}"},
        {"control characters in a name", "{\"\\u001b]0;x\\u0007\\r\\n\\u009b31m\":1}"},
        {"a raw newline in a name", "{\"a\nb\":1}"},
        {"an unfinished escape", R"({"a\)"},
        {"a wrong escape", R"({"\x":1})"},
        {"half a surrogate pair", R"({"\ud800":1})"},
        {"overlong UTF-8", "{\"\xc0\xaf\":1}"},
        {"a UTF-8 surrogate", "{\"\xed\xa0\x80\":1}"},
        {"cut UTF-8", "{\"\xf0\x9f\x98\":1}"},
        {"another format", "GGUF" + std::string(64, '\3')},
    };
    for (const auto& [what, header] : headers) files.push_back({what, with_header(header)});
    std::uint32_t state = 1;
    for (int i = 0; i < 16; ++i) {
      std::string noise;
      for (int j = 0; j < 40 * i + 9; ++j) noise += static_cast<char>((state = state * 1664525U + 1013904223U) >> 24);
      files.push_back({"noise", noise});
      files.push_back({"a header of noise", with_header(noise)});
    }
    files.push_back({"the data first", data() + _whole.substr(0, 8 + _header_bytes)});
    files.push_back({"big-endian length", std::string(6, '\0') + _whole[1] + _whole[0] + header() + data()});
  }

  void add_data(Files& files) const {
    for (const char* const part : {"query", "key", "value"})
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity()})
        for (const bool last : {false, true}) {
          const auto offsets = _header["layers.5." + std::string(part)]["data_offsets"];
          const std::uint64_t at = last ? offsets[1].get<std::uint64_t>() - 4 : offsets[0].get<std::uint64_t>();
          files.push_back({part + std::string(" holds ") + std::to_string(bad), with_data(at, &bad, sizeof bad)});
        }
    for (const std::int64_t position :
         {std::int64_t{-1}, std::int64_t{3}, std::int64_t{1} << 32, std::numeric_limits<std::int64_t>::min(),
          std::numeric_limits<std::int64_t>::max()})
      for (const char* const name : {"layers.0.position", "layers.5.position"})
        files.push_back({name + std::string(" holds ") + std::to_string(position),
                         with_data(_header[name]["data_offsets"][0], &position, sizeof position)});
  }

  static std::string repeated(const std::string& text, std::size_t times) {
    std::string result;
    for (std::size_t i = 0; i < times; ++i) result += text;
    return result;
  }
};

}  // namespace santa::example::test
