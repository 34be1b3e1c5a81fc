// What was written, for people.
#pragma once

#include "generate/weights.hpp"
#include "generate/writing.hpp"

#include <ostream>
#include <string>

namespace santa::example {

/// The tokens' numbers, their text, and how it went.
void print_written(std::ostream& to, const Written& written, const Vocabulary& vocabulary);

/// Exact attention's text and another one side by side.
void print_comparison(std::ostream& to, const Written& exact, const Written& sampled, const Vocabulary& vocabulary);

/// Text of a model, safe to print: control characters but for line ends are spaces.
std::string safe_text(const Tokens& tokens, const Vocabulary& vocabulary);

/// The first place at which the two differ; the length of the shorter one, if none.
std::size_t first_divergence(const Tokens& a, const Tokens& b);

}  // namespace santa::example
