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
#include <string>

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

/// The same of a batch of `requests` that have `some` of a copy's `bytes` bytes: in a row, or, on a device, as many in
/// each of so many stretches, whichever is faster. An H200 read 2.4 GB in a row of a copy of 4.3 at 4004 GB/s, where
/// attention took its rows from all over them faster.
template <class Space, class Data>
Ceiling ceiling_of_batch(const Space& space, std::size_t copies, std::size_t some, std::size_t bytes,
                         std::size_t requests, int repeats, const Data& data) {
  const Ceiling in_a_row = ceiling_of(space, copies, some, repeats, data);
  if constexpr (santa::lanes::is_host_space<Space>) {
    return in_a_row;
  } else {
    const Kokkos::View<std::uint32_t, typename Space::memory_space> sink("sink");
    const Stretches apart{requests, bytes / requests / sizeof(Piece) * sizeof(Piece)};
    const std::size_t each = some / requests / sizeof(Piece) * sizeof(Piece);
    const auto read = time_copies(space, copies, repeats, [&](std::size_t copy) {
      read_on_device(space, data(copy), each * requests, sink.data(), apart);
    });
    const double gb_s = static_cast<double>(each * requests) / read.microseconds() * 1e-3;
    if (gb_s < in_a_row.gb_s) return in_a_row;
    return {gb_s, std::string(device_reader) + ", a stretch of each request"};
  }
}

}  // namespace santa_bench
