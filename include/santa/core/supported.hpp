// Builds that the library refuses, before they give wrong results or pages of errors. Whatever launches includes it.
#pragma once

#if !defined(__cpp_exceptions)
#error "santa reports errors as std::invalid_argument, so it can't be compiled with -fno-exceptions."
#endif

#include <Kokkos_Macros.hpp>

// In kernels, nvcc from 12.9 on lays out classes with [[no_unique_address]] members otherwise than on the host. The
// mdspan in Kokkos' new View has such members, without the attribute from 4.7.2 on: until then a View is 32 bytes in a
// kernel and 40 on the host, and what follows it among a kernel's arguments (a fill's value) is read from the wrong
// place. cmake/SantaKokkosFaults.cmake says the same when a build is configured.
#if defined(KOKKOS_ENABLE_CUDA) && defined(__NVCC__) && !defined(KOKKOS_ENABLE_IMPL_VIEW_LEGACY)
#if KOKKOS_VERSION >= 40699 && KOKKOS_VERSION < 40702 && __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1209
#error "santa: nvcc 12.9 and later miscompiles this Kokkos' new View; build it with -DKokkos_ENABLE_IMPL_VIEW_LEGACY=ON"
#endif
#endif
