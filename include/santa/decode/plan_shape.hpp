// The shape that a plan is for, how it is cut, and what a plan says of itself.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/division.hpp>
#include <santa/lanes/group.hpp>
#include <santa/schedule/cut.hpp>
#include <santa/schedule/even.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace santa {

/// The shape of a decode step of `query` [batch, heads, dim] or [batch, tokens, heads, dim] against `cache`.
template <class QueryView, class Cache>
Shape shape_of(const QueryView& query, const Cache& cache) {
  static_assert(Kokkos::is_view_v<QueryView>, "santa::DecodePlan: query must be a Kokkos view");
  Shape shape = cache.shape();
  shape.heads = static_cast<std::int64_t>(query.extent(QueryView::rank() - 2));
  if constexpr (QueryView::rank() == 4) shape.tokens = static_cast<std::int64_t>(query.extent(1));
  return shape;
}

/// The shape of a plan for prefixes that requests of a shape share: `most` requests each, at most, and `length` keys.
/// See DecodePlan::run_shared.
inline Shape shape_of_prefixes(const Shape& requests, std::int64_t prefixes, std::int64_t most, std::int64_t length) {
  detail::require(most >= 1 && most < 65536, "most", most, "1 to 65535");
  Shape shape = requests;
  shape.batch = prefixes;
  shape.length = length;
  shape.tokens = requests.tokens * most;
  return shape;
}

/// Names the type of cache that a plan is for, where there is none yet: DecodePlan plan(space, method, shape,
/// cache_of<Cache>).
template <class Cache>
struct CacheOf {};
/// A CacheOf, as an argument.
template <class Cache>
inline constexpr CacheOf<Cache> cache_of{};

namespace detail::inline SANTA_BUILD {

/// Has units cut as a balanced schedule cuts them, so many of each request.
inline void cut_evenly(Arguments& a, const Cut& cut, std::int64_t splits) {
  a.splits = static_cast<std::int32_t>(splits);
  a.split_step = split_keys;
  a.least_share = cut.least;
}

/// Notes whether a run's units are those of its balance. Else, of a few requests with lengths, each has as many as it
/// may have, and its keys are cut as a balanced schedule cuts them: of a plan for `batch` requests, however many the
/// run has, as a request's output does not depend on its mates.
inline void note_balance(Arguments& a, const Cut& cut, std::int64_t batch) {
  a.balanced = a.balance.requests != nullptr;
  if (a.balanced || a.lengths.data == nullptr || batch == 1 || a.keys_per_split > 0) return;
  cut_evenly(a, cut, a.most_splits);
}

/// How a plan of so many keys is cut into units; of `work`, what follows from the method and the keys is given.
template <class Space>
lanes::Division divide_plan(const Space& space, const Arguments& a, std::int64_t length, std::int64_t keys_per_split,
                            lanes::Work work) {
  work.rows = std::max(a.slice_rows(), std::int64_t{1});
  work.heads = a.slice_heads;
  work.dim = a.row_dims().most();
  work.length = length;
  lanes::Division division = lanes::Seam<Space>::divide(space, work);
  if (keys_per_split > 0) {
    division.by_shares = false;
    division.keys_per_split = keys_per_split;
    division.splits = (length + keys_per_split - 1) / keys_per_split;
  }
  return division;
}

/// Splits of a full request, and keys of each but the last.
struct FullSplits {
  std::int64_t count, keys;
};
inline FullSplits splits_of_full(const Arguments& a, std::int64_t length) {
  const auto in_splits_of = [](std::int64_t cut, std::int64_t keys) {
    return keys > 0 ? FullSplits{(cut + keys - 1) / keys, keys} : FullSplits{0, 1};
  };
  if (a.keys_per_split > 0) return in_splits_of(length, a.keys_per_split);
  const std::int64_t start = a.token_rows.first_visible(0, 0, length, a.window);
  const std::int64_t cut = length - (start & -std::int64_t{a.split_step});
  return in_splits_of(cut, std::max<std::int64_t>(keys_of_share(cut, a.splits, a.split_step), a.least_share.of(cut)));
}

/// What a plan does and costs, in a few lines for people; `rows` says how many value rows.
inline std::string describe_plan(const char* method, const Shape& shape, const Arguments& a, std::size_t workspace,
                                 const std::string& rows) {
  const FullSplits splits = splits_of_full(a, shape.length);
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  return std::string("santa::") + method + " for batch " + number(shape.batch) + ", heads " + number(shape.heads) +
         "/" + number(shape.kv_heads) + ", dim " + number(shape.dim) +
         (shape.values() != shape.dim ? "/" + number(shape.values()) : std::string{}) +
         (shape.tokens > 1 ? ", " + number(shape.tokens) + " tokens" : std::string{}) + ", up to " +
         number(shape.length) + " keys\n  tiles of " + number(tile_keys) + " keys, " + number(splits.count) +
         " splits of " + number(splits.keys) + " keys, slices of " + number(a.slice_heads) + " heads\n  workspace " +
         number(static_cast<std::int64_t>(workspace)) + " bytes\n  reads all " +
         number(shape.batch * shape.kv_heads * shape.length * shape.dim) + " key elements and " + rows +
         " value rows of " + number(shape.values()) + " elements\n";
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
