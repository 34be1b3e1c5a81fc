#include "decode/progress.hpp"

#include "decode/error.hpp"

#include <unistd.h>

namespace santa::example {

std::string progress_line(const std::string& what, std::size_t done, std::size_t of) {
  return printable(what, 120) + " " + std::to_string(of > 0 ? 100 * done / of : 0) + " %";
}

Progress::Progress() : _on_terminal(isatty(STDERR_FILENO) == 1), _next(Clock::now() + std::chrono::seconds(2)) {}

Progress::~Progress() {
  if (_shown) std::fputs("\r\033[K", stderr);
}

void Progress::say(const std::string& what, std::size_t done, std::size_t of) {
  if (!_on_terminal || Clock::now() < _next) return;
  _next = Clock::now() + std::chrono::milliseconds(200);
  _shown = true;
  std::fprintf(stderr, "\r%s\033[K", progress_line(what, done, of).c_str());
  std::fflush(stderr);
}

}  // namespace santa::example
