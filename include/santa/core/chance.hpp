// What names a run's random numbers.
#pragma once

#include <santa/core/matrix.hpp>
#include <santa/random/stream_key.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Seed, step, stream and requests of a run, as kernels see them.
struct Chance {
  std::uint16_t stream = 0;
  bool seed_each = false, step_each = false;  // a number for each request
  Scalar<std::uint64_t> seed;
  Scalar<std::uint32_t> step;
  const std::uint32_t* requests = nullptr;  // identities; null: the batch index

  /// The random numbers of one request.
  [[nodiscard]] KOKKOS_FUNCTION StreamKey key(std::int32_t request) const {
    const auto index = static_cast<std::uint32_t>(request);
    return {seed.get(seed_each ? index : 0), step.get(step_each ? index : 0), stream,
            requests != nullptr ? requests[index] : index};
  }
};

}  // namespace santa::detail
