// The execution spaces that tests run on: the default one and Serial, each once.
#pragma once

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

// Builds for a device test the device: a host's spaces have builds of their own, and here each kernel takes seconds.
#if defined(KOKKOS_ENABLE_SERIAL) && (defined(KOKKOS_ENABLE_OPENMP) || defined(KOKKOS_ENABLE_THREADS)) && \
    !defined(KOKKOS_ENABLE_CUDA)
#define SANTA_TEST_SERIAL_SPACE(M) M(Kokkos::Serial)
#define SANTA_TEST_SERIAL_SPACE_NAME , Kokkos::Serial
#else
#define SANTA_TEST_SERIAL_SPACE(M)
#define SANTA_TEST_SERIAL_SPACE_NAME
#endif

/// M(space) for each space.
#define SANTA_TEST_FOR_SPACES(M) M(Kokkos::DefaultExecutionSpace) SANTA_TEST_SERIAL_SPACE(M)

/// A test case that runs once for each space, named `Space` in its body.
#define SANTA_SPACE_TEST_CASE(name) \
  TEST_CASE_TEMPLATE(name, Space, Kokkos::DefaultExecutionSpace SANTA_TEST_SERIAL_SPACE_NAME)
