// Files of results: told before minutes of work where they can't be written, and where what was written is lost.
#pragma once

#include <fstream>
#include <stdexcept>
#include <string>

namespace santa_bench {

/// What the file held before stays. Errors: std::runtime_error where it can't be opened.
inline void require_writable(const std::string& path) {
  if (!std::ofstream(path, std::ios::app)) throw std::runtime_error("can't write " + path);
}

/// Errors: std::runtime_error, also where it is only seen when what was held back is written.
inline void write_results(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("can't write " + path);
}

}  // namespace santa_bench
