// The main function of every test executable. Options of doctest and of Kokkos both work.
#define DOCTEST_CONFIG_IMPLEMENT
#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

int main(int argc, char** argv) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  doctest::Context context(argc, argv);
  return context.run();
}
