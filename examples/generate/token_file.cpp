#include "generate/token_file.hpp"

#include "decode/error.hpp"

#include <charconv>
#include <fstream>
#include <string>

namespace santa::example {
namespace {

std::int32_t token_from(const std::string& word) {
  std::int32_t token = 0;
  const char* const end = word.data() + word.size();
  const auto [at, error] = std::from_chars(word.data(), end, token);
  if (error != std::errc() || at != end)
    throw UserError("not a file of tokens: it holds " + quote(word) + "; accepted: whole numbers apart by white space");
  return token;
}

}  // namespace

std::vector<std::int32_t> read_tokens(const std::filesystem::path& path) {
  try {
    std::ifstream stream(path);
    if (!stream) throw UserError("the file can't be opened");
    std::vector<std::int32_t> tokens;
    for (std::string word; stream >> word;) tokens.push_back(token_from(word));
    if (tokens.empty()) throw UserError("the file has no tokens");
    return tokens;
  } catch (const UserError& error) {
    throw UserError(printable(path.string(), 300) + ": " + error.what());
  }
}

}  // namespace santa::example
