// Programs run as a user does.
#pragma once

#include "files.hpp"

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace santa::example::test {

struct Ran {
  int code;          // -1: ended by a signal
  std::string said;  // on standard output and standard error
};

/// Runs a command line of the shell; the folder gets what it says.
inline Ran run_command(const Folder& folder, const std::string& command) {
  const std::filesystem::path output = folder / "said";
  const int status = std::system((command + " > " + output.string() + " 2>&1").c_str());  // NOLINT(cert-env33-c)
  std::ifstream stream(output, std::ios::binary);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, {std::istreambuf_iterator<char>(stream), {}}};
}

}  // namespace santa::example::test
