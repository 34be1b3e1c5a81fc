// Which pages of a pool hold the rows of each request: tables, in the two forms in which serving engines keep them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/lengths.hpp>
#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// The entries of one request: entry n, at data[n * stride], is the page of its rows from n * page_size on.
struct RequestPages {
  const std::int32_t* data;
  std::int64_t stride;
  std::int64_t count;  // that there is room for

  KOKKOS_FUNCTION std::int32_t operator[](std::int64_t n) const { return data[n * stride]; }
};

/// A table of either form, as kernels see it: with `lengths.indptr` requests share the list of `lengths.entries`, else
/// each has `most`.
struct PageEntries {
  const std::int32_t* data;
  std::int64_t stride[2];  // request, entry
  std::int64_t most;
  Lengths lengths;

  [[nodiscard]] KOKKOS_FUNCTION RequestPages of(std::int64_t batch) const {
    if (lengths.indptr == nullptr) return {data + batch * stride[0], stride[1], most};
    return {data + lengths.first_entry(batch) * stride[1], stride[1], lengths.entries_of(batch)};
  }
  /// Valid rows of a request, as far as there is room for their entries and a shape has them.
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t rows(std::int64_t batch, std::int64_t page_size) const {
    const std::int64_t entries = of(batch).count * page_size;
    const std::int64_t room = entries < most_counted ? entries : most_counted;
    const std::int64_t given = lengths.get(batch, room);
    return static_cast<std::int32_t>(given < 0 ? 0 : (given < room ? given : room));
  }
};

template <class View>
inline constexpr bool is_list_of_int32 =
    View::rank() == 1 && std::same_as<typename View::non_const_value_type, std::int32_t>;

}  // namespace detail::inline SANTA_BUILD

/// What PagedCache takes for a table: views, and what follows from them.
///   check()                            errors: std::invalid_argument; called before what follows
///   batch()                            requests
///   largest_length(pages, page_size)   keys that a request can have, where the pool has so many pages
///   entries(page_size)                 for kernels: the page of each request's rows, and its length
///   length_view                        the type of a view in the memory that all of it lies in
template <class Table>
concept PageTablePolicy = requires(const Table& table, std::int64_t pages, std::int32_t page_size) {
  typename Table::length_view;
  table.check();
  { table.batch() } -> std::same_as<std::int64_t>;
  { table.largest_length(pages, page_size) } -> std::same_as<std::int64_t>;
  { table.entries(page_size) } -> std::same_as<detail::PageEntries>;
};

/// A row of pages for each request, as block tables are.
/// Shapes:   table [batch, max_pages], int32, any strides: page table(b, n) of the pool holds rows n * page_size and on
///           of request b. lengths [batch], int32 or int64. Entries beyond those that a request's length needs are
///           never read and may be anything.
/// Errors:   std::invalid_argument from `check`: name, given, accepted.
template <class TableView, class LengthView>
class PageTable {
 public:
  static_assert(Kokkos::is_view_v<TableView> && Kokkos::is_view_v<LengthView>,
                "santa::PageTable: table and lengths must be Kokkos views");
  static_assert(TableView::rank() == 2 && std::same_as<typename TableView::non_const_value_type, std::int32_t>,
                "santa::PageTable: the table must have rank 2, [batch, max_pages], and hold int32");
  static_assert(LengthView::rank() == 1 && (std::same_as<typename LengthView::non_const_value_type, std::int32_t> ||
                                            std::same_as<typename LengthView::non_const_value_type, std::int64_t>),
                "santa::PageTable: lengths must have rank 1 and hold int32 or int64");
  static_assert(std::same_as<typename TableView::memory_space, typename LengthView::memory_space>,
                "santa::PageTable: table and lengths must lie in the same memory");
  using length_view = LengthView;

  PageTable(TableView table, LengthView lengths) : _table(std::move(table)), _lengths(std::move(lengths)) {}

  [[nodiscard]] const TableView& table() const { return _table; }
  [[nodiscard]] const LengthView& lengths() const { return _lengths; }

  void check() const {
    const auto given = static_cast<std::int64_t>(_lengths.extent(0));
    detail::require(given == batch(), "lengths.extent(0)", given,
                    "the batch of the table (" + std::to_string(batch()) + ")");
    detail::require_list("lengths", _lengths);
    if (detail::has_elements(_table)) detail::require_pointer(_table.data(), "table.data()");
  }
  [[nodiscard]] std::int64_t batch() const { return static_cast<std::int64_t>(_table.extent(0)); }
  /// Keys that a request can have, by the table's extent.
  [[nodiscard]] std::int64_t largest_length(std::int64_t /*pages*/, std::int32_t page_size) const {
    return detail::product("max_pages * page_size", {static_cast<std::int64_t>(_table.extent(1)), page_size},
                           detail::most_counted, "less than 2^31");
  }
  /// For kernels: the page of each of a request\'s rows, and its length.
  template <class Build = lanes::Build>
  [[nodiscard]] detail::PageEntries entries(std::int32_t /*page_size*/) const {
    return {_table.data(),
            {static_cast<std::int64_t>(_table.stride(0)), static_cast<std::int64_t>(_table.stride(1))},
            static_cast<std::int64_t>(_table.extent(1)),
            {_lengths.data(), sizeof(typename LengthView::value_type) == 8}};
  }

 private:
  TableView _table;
  LengthView _lengths;
};

/// The pages of all requests in one list, as FlashInfer has them.
/// Shapes:   indptr [batch + 1], indices [all pages], last_page_length [batch], int32: pages indices(indptr(b)) to
///           indices(indptr(b + 1) - 1) of the pool hold the rows of request b, the last one last_page_length(b) of
///           them. A request without pages has length 0, whatever its last_page_length; of pages that are not in
///           `indices` kernels leave out the rows, which is flagged as Statistics::length_clamped. `length` is the
///           largest that a request can have; 0: all rows of the pool.
/// Errors:   std::invalid_argument from `check`: name, given, accepted.
template <class IndptrView, class IndexView = IndptrView, class LastView = IndptrView>
class PageList {
 public:
  static_assert(Kokkos::is_view_v<IndptrView> && Kokkos::is_view_v<IndexView> && Kokkos::is_view_v<LastView>,
                "santa::PageList: indptr, indices and last_page_length must be Kokkos views");
  static_assert(detail::is_list_of_int32<IndptrView> && detail::is_list_of_int32<IndexView> &&
                    detail::is_list_of_int32<LastView>,
                "santa::PageList: indptr, indices and last_page_length must have rank 1 and hold int32");
  static_assert(std::same_as<typename IndptrView::memory_space, typename IndexView::memory_space> &&
                    std::same_as<typename IndptrView::memory_space, typename LastView::memory_space>,
                "santa::PageList: indptr, indices and last_page_length must lie in the same memory");
  using length_view = LastView;

  PageList(IndptrView indptr, IndexView indices, LastView last_page_length, std::int64_t length = 0)
      : _indptr(std::move(indptr)),
        _indices(std::move(indices)),
        _last_page_length(std::move(last_page_length)),
        _length(length) {}

  [[nodiscard]] const IndptrView& indptr() const { return _indptr; }
  [[nodiscard]] const IndexView& indices() const { return _indices; }
  [[nodiscard]] const LastView& last_page_length() const { return _last_page_length; }

  void check() const {
    const auto given = static_cast<std::int64_t>(_indptr.extent(0));
    detail::require(given == batch() + 1, "indptr.extent(0)", given,
                    "one more than the batch of last_page_length (" + std::to_string(batch() + 1) + ")");
    detail::require_list("indptr", _indptr);
    detail::require_list("indices", _indices);
    detail::require_list("last_page_length", _last_page_length);
    detail::require(_length >= 0 && _length <= detail::most_counted, "length", _length, "0 to less than 2^31");
  }
  [[nodiscard]] std::int64_t batch() const { return static_cast<std::int64_t>(_last_page_length.extent(0)); }
  /// Keys that a request can have: as given, or all rows of the pool.
  [[nodiscard]] std::int64_t largest_length(std::int64_t pages, std::int32_t page_size) const {
    if (_length > 0) return _length;
    return detail::product("pages * page_size", {pages, page_size}, detail::most_counted,
                           "less than 2^31: say the largest length");
  }
  /// For kernels: the page of each of a request\'s rows, and its length.
  template <class Build = lanes::Build>
  [[nodiscard]] detail::PageEntries entries(std::int32_t page_size) const {
    const auto all = static_cast<std::int64_t>(_indices.extent(0));
    return {_indices.data(), {0, 1}, all, {_last_page_length.data(), false, page_size, _indptr.data(), all}};
  }

 private:
  IndptrView _indptr;
  IndexView _indices;
  LastView _last_page_length;
  std::int64_t _length;
};

template <class TableView, class LengthView>
PageTable(TableView, LengthView) -> PageTable<TableView, LengthView>;
template <class IndptrView, class IndexView, class LastView>
PageList(IndptrView, IndexView, LastView) -> PageList<IndptrView, IndexView, LastView>;
template <class IndptrView, class IndexView, class LastView>
PageList(IndptrView, IndexView, LastView, std::int64_t) -> PageList<IndptrView, IndexView, LastView>;

}  // namespace santa
