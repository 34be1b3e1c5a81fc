// What is compared beside FlashInfer; each in a file of its own, as kernels take long to compile.
#pragma once

#include "records.hpp"

#include <Kokkos_Core.hpp>

namespace santa_bench {

/// One query a request on contiguous caches. Lengths are divided by `divide`, in all of these.
void run_even(const Kokkos::Cuda& space, int divide, Records& records);
/// The same of requests that differ in length.
void run_ragged(const Kokkos::Cuda& space, int divide, Records& records);
/// Pages of 16 keys in any order.
void run_paged(const Kokkos::Cuda& space, int divide, Records& records);
/// Scaled e4m3 numbers.
void run_scaled(const Kokkos::Cuda& space, int divide, Records& records);
/// Four tokens a request.
void run_tokens(const Kokkos::Cuda& space, int divide, Records& records);

}  // namespace santa_bench
