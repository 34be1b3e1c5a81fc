// What the user can mend: a bad file or a wrong option. The program says it in one sentence and exits with code 2.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace santa::example {

class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Text from a file, safe to print: one line of printable characters, at most `most` bytes of it.
inline std::string printable(std::string_view text, std::size_t most = 60) {
  std::string result;
  for (const char c : text.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool follows_c2 = !result.empty() && result.back() == '\xc2';
    if (follows_c2 && byte >= 0x80 && byte < 0xa0) {
      result.back() = '?';  // U+0080 to U+009F in UTF-8: terminals take some for the start of a command
    } else {
      result += byte < ' ' || c == '\x7f' ? '?' : c;
    }
  }
  if (text.size() <= most) return result;
  // Not in the middle of a UTF-8 character.
  while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xc0U) == 0x80U) result.pop_back();
  if (!result.empty() && static_cast<unsigned char>(result.back()) >= 0xc0U) result.pop_back();
  return result + "...";
}

inline std::string quote(std::string_view text) {
  std::string result = printable(text);
  result.insert(result.begin(), '\'');
  result.push_back('\'');
  return result;
}

}  // namespace santa::example
