// Kernels of the methods that draw by points in a cumulative sum, on hosts.
#include <santa/santa.hpp>

#include <santa/kernels/list.hpp>

#include <Kokkos_Core.hpp>

SANTA_KERNELS_POINT_METHODS()
