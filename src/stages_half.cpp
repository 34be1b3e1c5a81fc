// Stages of caches of half rows, on hosts.
#include <santa/santa.hpp>

#include <santa/kernels/list.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

SANTA_KERNELS_STAGES_OF(, santa::half)
