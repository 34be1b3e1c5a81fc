// Kernels of the methods that read keys once, on hosts.
#include <santa/santa.hpp>

#include <santa/kernels/list.hpp>

#include <Kokkos_Core.hpp>

SANTA_KERNELS_ONE_PASS_METHODS()
