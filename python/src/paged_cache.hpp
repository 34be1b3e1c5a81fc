// Caches in pages of a pool.
#pragma once

#include "caches.hpp"
#include <santa/cache/page_table.hpp>
#include <santa/cache/paged.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace santa::python {

/// Which pages requests have: a table and lengths; or, in one list, indptr, indices and last_page_length.
struct TableArrays {
  Array table, lengths, indptr, indices, last_page_length;
  std::int64_t length;  // the largest, of a list; 0: all of the pool
};

/// A table of any form: a PageTablePolicy.
class AnyPageTable {
 public:
  using length_view = Kokkos::View<const std::int64_t*, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  template <class T>
  using List = Kokkos::View<const T*, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  using Pages = View<const std::int32_t**>;
  using Table = std::variant<PageTable<Pages, List<std::int32_t>>, PageTable<Pages, List<std::int64_t>>,
                             PageList<List<std::int32_t>>>;

  explicit AnyPageTable(const TableArrays& arrays);

  [[nodiscard]] const Table& table() const { return _table; }
  void check() const {
    std::visit([](const auto& table) { table.check(); }, _table);
  }
  [[nodiscard]] std::int64_t batch() const {
    return std::visit([](const auto& table) { return table.batch(); }, _table);
  }
  [[nodiscard]] std::int64_t largest_length(std::int64_t pages, std::int32_t page_size) const {
    return std::visit([&](const auto& table) { return table.largest_length(pages, page_size); }, _table);
  }
  [[nodiscard]] santa::detail::PageEntries entries(std::int32_t page_size) const {
    return std::visit([&](const auto& table) { return table.entries(page_size); }, _table);
  }

 private:
  Table _table;
};

/// Keys and values in pools of pages.
class PagedArrays final : public AnyCache {
 public:
  PagedArrays(RowArrays given, TableArrays pages);

  [[nodiscard]] Shape shape() const override;
  /// Of a copy of the pool.
  [[nodiscard]] Shape pool_shape() const;
  [[nodiscard]] Type type() const override { return rows.keys.type(); }
  [[nodiscard]] std::string kind() const override { return "a PagedCache of " + rows.element(); }
  [[nodiscard]] PlanPointer make_plan(const Space& space, const PlanRequest& request) const override;
  void validate(const Space& space) const override;
  void append(const Space& space, const NewTokenArrays& tokens) const override;
  /// The same cache, whose rows may be written. Errors: ValueError where an array is read-only.
  [[nodiscard]] PagedArrays to_write() const { return {rows.to_write(), table}; }

  RowArrays rows;
  TableArrays table;
};

/// Such a cache as a plan takes it.
template <class T, class Scales = NoScales>
class PagedRowsOf : public PagedCache<RowsGivenOf<T, Scales>, RowsGivenOf<T, Scales>, AnyPageTable> {
  using Base = PagedCache<RowsGivenOf<T, Scales>, RowsGivenOf<T, Scales>, AnyPageTable>;

 public:
  using Arrays = PagedArrays;
  static constexpr std::array<std::string_view, 1> kinds = {"paged"};

  explicit PagedRowsOf(const PagedArrays& arrays)
      : Base(rows_given<T, Scales>(arrays.rows.keys, arrays.rows.key_scales),
             rows_given<T, Scales>(arrays.rows.values, arrays.rows.value_scales), AnyPageTable(arrays.table),
             arrays.rows.layout) {}
};

void bind_paged_cache(nb::module_& module);

}  // namespace santa::python
