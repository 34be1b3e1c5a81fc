// A line on a terminal that says how far a longer run is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>

namespace santa::example {

/// What is shown: a text, parts of which may come from files, in printable characters, and how many of all are done.
std::string progress_line(const std::string& what, std::size_t done, std::size_t of);

/// Silent unless standard error is a terminal and the run takes more than two seconds. Erases its line at the end.
class Progress {
 public:
  Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  void say(const std::string& what, std::size_t done, std::size_t of);

 private:
  using Clock = std::chrono::steady_clock;

  bool _on_terminal;
  bool _shown = false;
  Clock::time_point _next;
};

}  // namespace santa::example
