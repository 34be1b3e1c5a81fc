#include "generate/report.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

namespace santa::example {
namespace {

/// Text of a model, safe to print: control characters but for line ends are spaces.
std::string safe(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 && byte < 0xa0 && result.ends_with('\xc2'))
      result.back() = ' ';  // U+0080 to U+009F in UTF-8 are control characters too
    else
      result += (byte < ' ' && c != '\n') || c == '\x7f' ? ' ' : c;
  }
  return result;
}

void print_row(std::ostream& to, const Written& written, const std::string& divergence) {
  char line[200];
  const double attention = written.seconds > 0. ? written.attention_seconds / written.seconds : 0.;
  std::snprintf(line, sizeof line, "%-16s %7zu %9.1f %8.1f %% %9.1f %% %6.1f %%   %s\n", written.policy.name().c_str(),
                written.tokens.size(), written.tokens_per_second(), 100. * attention, 100. * written.rows.share(),
                100. * written.cache_share(), divergence.c_str());
  to << line;
}

/// The text up to where it parts from another, a mark, and the rest.
void print_text(std::ostream& to, const Written& written, std::size_t same, const Vocabulary& vocabulary) {
  const auto middle = written.tokens.begin() + static_cast<std::ptrdiff_t>(same);
  to << "\n[" << written.policy.name() << "]\n"
     << safe(vocabulary.text({written.tokens.begin(), middle})) << (same < written.tokens.size() ? " || " : "")
     << safe(vocabulary.text({middle, written.tokens.end()})) << "\n";
}

}  // namespace

std::string safe_text(const Tokens& tokens, const Vocabulary& vocabulary) { return safe(vocabulary.text(tokens)); }

std::size_t first_divergence(const Tokens& a, const Tokens& b) {
  const std::size_t both = std::min(a.size(), b.size());
  const auto end = a.begin() + static_cast<std::ptrdiff_t>(both);
  return static_cast<std::size_t>(std::mismatch(a.begin(), end, b.begin()).first - a.begin());
}

void print_written(std::ostream& to, const Written& written, const Vocabulary& vocabulary) {
  to << "tokens";
  for (const std::int32_t token : written.tokens) to << " " << token;
  char line[200];
  std::snprintf(line, sizeof line, "\n%s: %.1f tokens/s, %.1f %% of the value rows read, prompt %.1f s\n\n",
                written.policy.name().c_str(), written.tokens_per_second(), 100. * written.rows.share(),
                written.prompt_seconds);
  to << line << safe(vocabulary.text(written.tokens)) << "\n";
}

void print_comparison(std::ostream& to, const Written& exact, const Written& sampled, const Vocabulary& vocabulary) {
  const std::size_t same = first_divergence(exact.tokens, sampled.tokens);
  const bool equal = same == exact.tokens.size() && same == sampled.tokens.size();
  to << "method            tokens  tokens/s  attention  value rows    cache   divergence\n";
  print_row(to, exact, "");
  print_row(to, sampled, equal ? "none" : "at token " + std::to_string(same + 1));
  print_text(to, exact, same, vocabulary);
  print_text(to, sampled, same, vocabulary);
}

}  // namespace santa::example
