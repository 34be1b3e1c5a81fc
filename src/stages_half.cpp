// Stages of caches of half rows, on hosts.
#include <santa/decode/kernel_list.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

SANTA_KERNELS_STAGES_OF(SANTA_KERNELS_DEFINE_STAGE, santa::half)
