#include "generate/writing.hpp"

#include "decode/error.hpp"
#include "decode/progress.hpp"

#include <cstdio>
#include <string>

namespace santa::example {
namespace {

std::string with_rate(const char* what, std::size_t tokens, double seconds) {
  char text[64];
  std::snprintf(text, sizeof text, "%s, %.1f tokens/s,", what,
                seconds > 0. ? static_cast<double>(tokens) / seconds : 0.);
  return text;
}

std::int32_t read_token(const Texts& texts) {
  std::int32_t token = 0;
  Kokkos::deep_copy(texts.space(), Kokkos::View<std::int32_t, Kokkos::HostSpace>(&token),
                    Kokkos::subview(texts.tokens(), 0));
  texts.space().fence("santa::token");
  return token;
}

void check(const Texts& texts, std::span<const std::int32_t> prompt, std::int64_t tokens) {
  if (prompt.empty()) throw UserError("the prompt has no tokens");
  texts.check_tokens(prompt);
  const auto needed = static_cast<std::int64_t>(prompt.size()) + tokens - 1;
  if (needed > texts.capacity())
    throw UserError("the prompt has " + std::to_string(prompt.size()) + " tokens and " + std::to_string(tokens) +
                    " are to be written, but the cache is for " + std::to_string(texts.capacity()) +
                    ": more takes --cache");
}

}  // namespace

double read_prompt(Texts& texts, std::span<const std::int32_t> prompt, std::int64_t tokens) {
  check(texts, prompt, tokens);
  Progress progress;
  const Kokkos::Timer timer;
  const auto read = prompt.first(prompt.size() - 1);
  texts.prefill(0, read,
                [&](std::size_t done) { progress.say(with_rate("prompt", done, timer.seconds()), done, read.size()); });
  texts.space().fence("santa::prompt");
  return timer.seconds();
}

Written write_on(Texts& texts, std::span<const std::int32_t> prompt, const WriteOptions& options) {
  Progress progress;
  Written written;
  written.policy = options.policy;
  texts.shorten(0, static_cast<std::int64_t>(prompt.size()) - 1);
  texts.start(0, 0, options.policy, options.seed);
  Kokkos::deep_copy(texts.space(), Kokkos::subview(texts.tokens(), 0), prompt.back());
  texts.space().fence("santa::start");
  const double attention_before = texts.attention_seconds();
  const Kokkos::Timer timer;
  for (std::int64_t step = 0; step < options.tokens; ++step) {
    texts.step(1);
    pick_tokens(texts.space(), texts.logits(), 1, texts.tokens(),
                {options.temperature, options.seed, static_cast<std::uint32_t>(step)});
    written.tokens.push_back(read_token(texts));
    progress.say(with_rate("writing", written.tokens.size(), timer.seconds()), written.tokens.size(),
                 static_cast<std::size_t>(options.tokens));
    if (written.tokens.back() == texts.model().settings().end_token) break;
  }
  written.seconds = timer.seconds();
  written.attention_seconds = texts.attention_seconds() - attention_before;
  written.rows = texts.attention(0).rows();
  return written;
}

Written write(Texts& texts, std::span<const std::int32_t> prompt, const WriteOptions& options) {
  const double seconds = read_prompt(texts, prompt, options.tokens);
  Written written = write_on(texts, prompt, options);
  written.prompt_seconds = seconds;
  return written;
}

}  // namespace santa::example
