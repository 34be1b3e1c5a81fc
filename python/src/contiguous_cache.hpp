// Caches in two arrays.
#pragma once

#include "caches.hpp"
#include <santa/cache/contiguous.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace santa::python {

/// Keys and values in two arrays, and valid lengths: none where the whole storage is full.
class ContiguousArrays final : public AnyCache {
 public:
  ContiguousArrays(RowArrays given, Array valid);

  [[nodiscard]] Shape shape() const override;
  [[nodiscard]] Type type() const override { return rows.keys.type(); }
  [[nodiscard]] std::string kind() const override { return "a ContiguousCache of " + rows.element(); }
  [[nodiscard]] PlanPointer make_plan(const Space& space, const PlanRequest& request) const override;
  void validate(const Space& space) const override;
  void append(const Space& space, const NewTokenArrays& tokens) const override;
  /// The same cache, whose rows may be written. Errors: ValueError where an array is read-only.
  [[nodiscard]] ContiguousArrays to_write() const { return {rows.to_write(), lengths}; }

  RowArrays rows;
  Array lengths;
};

ContiguousArrays contiguous_arrays(const GivenRows& given, nb::handle lengths);

/// Such a cache as a plan takes it: a ContiguousCache whose lengths are of either integer type.
template <class T, class Scales = NoScales>
class ContiguousRowsOf : public ContiguousCache<RowsGivenOf<T, Scales>, RowsGivenOf<T, Scales>> {
  using Base = ContiguousCache<RowsGivenOf<T, Scales>, RowsGivenOf<T, Scales>>;

 public:
  using Arrays = ContiguousArrays;
  static constexpr std::array<std::string_view, 1> kinds = {"contiguous"};
  using length_view = Kokkos::View<const std::int64_t*, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

  explicit ContiguousRowsOf(const ContiguousArrays& arrays)
      : Base(rows_given<T, Scales>(arrays.rows.keys, arrays.rows.key_scales),
             rows_given<T, Scales>(arrays.rows.values, arrays.rows.value_scales), arrays.rows.layout),
        _lengths(lengths_of(arrays.lengths)) {}

  [[nodiscard]] santa::detail::Lengths length_data() const { return _lengths; }

 private:
  santa::detail::Lengths _lengths;
};

void bind_contiguous_cache(nb::module_& module);

}  // namespace santa::python
