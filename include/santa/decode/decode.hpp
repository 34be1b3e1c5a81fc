// The one-call form, and the check of what lies in device memory.
#pragma once

#include <santa/core/check.hpp>
#include <santa/decode/plan.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>

namespace santa {

/// Checks the lengths of a cache, which lie in device memory: each from 0 to the storage length. Fences `space`.
/// Errors: std::invalid_argument naming the first bad request.
template <class Space, class Cache>
void validate(const Space& space, const Cache& cache) {
  if (!cache.has_lengths()) return;
  const Shape shape = cache.shape();
  const detail::Lengths lengths = cache.length_data();
  std::int64_t bad = shape.batch;
  Kokkos::parallel_reduce(
      "santa::validate", Kokkos::RangePolicy<Space>(space, 0, shape.batch),
      KOKKOS_LAMBDA(const std::int64_t batch, std::int64_t& first) {
        const std::int64_t length = lengths.get(batch, shape.length);
        if ((length < 0 || length > shape.length) && batch < first) first = batch;
      },
      Kokkos::Min<std::int64_t>(bad));
  space.fence("santa::validate");
  if (bad >= shape.batch) return;
  const auto row = Kokkos::subview(cache.lengths(), static_cast<std::size_t>(bad));
  typename Cache::length_view::non_const_value_type given{};
  Kokkos::deep_copy(given, row);
  detail::reject("lengths(" + std::to_string(bad) + ")", std::to_string(given),
                 "0 to the storage length (" + std::to_string(shape.length) + ")");
}

/// Decodes one step: makes a plan, validates, runs. Allocates and fences; for more than one step, keep a DecodePlan.
/// Shapes and errors: as DecodePlan::run and `validate`.
template <class Space, Method M, class QueryView, class Cache, class OutView>
void decode(const Space& space, const M& method, const QueryView& query, const Cache& cache, const OutView& out,
            const RunOptions<typename Space::memory_space>& options = {}, const PlanOptions& plan_options = {}) {
  const DecodePlan plan(space, method, shape_of(query, cache), plan_options);
  validate(space, cache);
  plan.run(space, query, cache, out, options);
  space.fence("santa::decode");  // the plan's memory goes with it
}

}  // namespace santa
