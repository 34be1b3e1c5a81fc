// Files of tokens: their numbers in decimal, apart by white space.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace santa::example {

/// Errors: UserError, one sentence that names the file.
std::vector<std::int32_t> read_tokens(const std::filesystem::path& path);

}  // namespace santa::example
