// How fast bytes can be read where a benchmark runs.
#pragma once

#include "ceiling.hpp"
#include "copies.hpp"
#include "device_reader.hpp"
#include "measure.hpp"
#include "readers.hpp"
#include "timing.hpp"

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa_bench {

/// Of `bytes` of each of some copies in turn, which data(copy) names: by the fastest of a host's readers, or a
/// device's.
template <class Space, class Data>  // a template, so that only one branch is compiled
Ceiling ceiling_of(const Space& space, std::size_t copies, std::size_t bytes, int repeats, const Data& data) {
  if constexpr (santa::lanes::is_host_space<Space>) {
    const auto best = best_reader(space, copies, bytes, repeats, data);
    return {best.gb_s, best.reader->name};
  } else {
    const Kokkos::View<std::uint32_t, typename Space::memory_space> sink("sink");
    const auto read = time_copies(space, copies, repeats,
                                  [&](std::size_t copy) { read_on_device(space, data(copy), bytes, sink.data()); });
    return {static_cast<double>(bytes) / read.microseconds() * 1e-3, device_reader};
  }
}

/// The same where `some` bytes, all over a copy, are what is wanted of it: of so many in a row, or of all of it. On an
/// H200 the first 2.4 GB of 4.3 were read at 4004 GB/s, and attention took its rows all over them faster than that.
template <class Space, class Data>
Ceiling ceiling_of_part(const Space& space, std::size_t copies, std::size_t some, std::size_t bytes, int repeats,
                        const Data& data) {
  const Ceiling in_a_row = ceiling_of(space, copies, some, repeats, data);
  if (some == bytes) return in_a_row;
  const Ceiling of_all = ceiling_of(space, copies, bytes, repeats, data);
  return of_all.gb_s > in_a_row.gb_s ? of_all : in_a_row;
}

}  // namespace santa_bench
