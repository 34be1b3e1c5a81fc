// Kokkos' part of a program's options: read before Kokkos does, which ends the program by abort where it can't, and
// takes 2x for 2.
#pragma once

#include <Kokkos_Core.hpp>

#include <string>
#include <vector>

namespace santa::example {

/// The arguments that name Kokkos. It would take others too, such as --help.
class KokkosOptions {
 public:
  /// Takes them out of a program's arguments.
  explicit KokkosOptions(std::vector<std::string>& arguments);

  /// Starts Kokkos by these and by the environment, without its warnings.
  /// Errors: UserError, one sentence, for what Kokkos doesn't know or can't use.
  [[nodiscard]] Kokkos::ScopeGuard start() const;

 private:
  std::vector<std::string> _arguments;
};

}  // namespace santa::example
