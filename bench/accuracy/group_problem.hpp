// The query heads of one kv head at one position: what a single lane group of the library decodes.
#pragma once

#include "decode/capture.hpp"

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace santa::accuracy {

inline std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }

/// Rows are copied out of the capture, one after the other; keys and values stay bfloat16, queries become float.
struct GroupProblem {
  int layer = 0;
  std::int64_t kv_head = 0;
  std::int64_t heads = 0, length = 0, dim = 0;
  float scale = 0.F;
  Kokkos::View<bfloat16*, Kokkos::HostSpace> keys, values;  // [length][dim]
  Kokkos::View<float*, Kokkos::HostSpace> query;            // [heads][dim]
  std::vector<double> weight;                               // [heads][length]: softmax weights in double precision
  std::vector<double> exact;                                // [heads][dim]
  std::vector<double> before;                               // [heads][dim]: at the position before
  std::vector<float> mean;                                  // [dim]: of the value rows

  [[nodiscard]] std::int64_t query_head(std::int64_t head) const { return kv_head * heads + head; }
};

/// Rows of a group in single precision.
std::vector<float> as_floats(const Kokkos::View<bfloat16*, Kokkos::HostSpace>& rows);

/// Softmax weights [heads][length] of the group's queries with keys [length][dim], its own or others in their place.
std::vector<double> softmax_weights(const GroupProblem& group, std::span<const float> keys);

/// The groups of a layer at the last captured position; the one before it gives `before`.
/// Errors: UserError unless keys are BF16 and the two positions follow each other.
std::vector<GroupProblem> groups_of(const example::CapturedLayer& layer, const Shape& shape, float scale);

}  // namespace santa::accuracy
