// SPDX-License-Identifier: Apache-2.0
#include <santa/santa.hpp>

#include <iostream>

int main(int argc, char** argv) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  std::cout << SANTA_VERSION_STRING << '\n';
}
