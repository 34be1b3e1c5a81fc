// The check of a page table, which lies in device memory.
#pragma once

#include <santa/cache/page_table.hpp>
#include <santa/cache/paged.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/divisor.hpp>
#include <santa/core/shape.hpp>
#include <santa/decode/first_bad.hpp>
#include <santa/decode/validate.hpp>
#include <santa/decode/validate_scales.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// Whether a request's length is none that the cache may hold, or has more pages than the table has entries for.
struct IsBadRequest {
  PageEntries entries;
  std::int64_t page_size, most;

  KOKKOS_FUNCTION bool operator()(std::int64_t batch) const {
    const std::int64_t length = entries.lengths.get(batch, most);
    return length < 0 || length > most || length > entries.of(batch).count * page_size;
  }
};

/// Whether entry i % each of request i / each, one that its length needs, is no page of the pool.
struct IsBadEntry {
  PageEntries entries;
  std::int64_t page_size, pages, each;

  KOKKOS_FUNCTION bool operator()(std::int64_t i) const {
    const std::int64_t batch = i / each;
    const std::int64_t n = i % each;
    if (n * page_size >= entries.rows(batch, page_size)) return false;
    const std::int32_t page = entries.of(batch)[n];
    return page < 0 || page >= pages;
  }
};

/// An element of a view in any memory, on the host.
template <class View, class... Indices>
std::int64_t element_of(const View& view, Indices... indices) {
  typename View::non_const_value_type element{};
  Kokkos::deep_copy(element, Kokkos::subview(view, static_cast<std::size_t>(indices)...));
  return std::int64_t{element};
}

template <class TableView, class LengthView>
[[noreturn]] void reject_request(const PageTable<TableView, LengthView>& table, std::int64_t batch,
                                 std::int64_t /*page_size*/, std::int64_t most) {
  reject("lengths(" + std::to_string(batch) + ")", std::to_string(element_of(table.lengths(), batch)),
         "0 to what the table may hold (" + std::to_string(most) + ")");
}
template <class Indptr, class Indices, class Last>
[[noreturn]] void reject_request(const PageList<Indptr, Indices, Last>& table, std::int64_t batch,
                                 std::int64_t page_size, std::int64_t most) {
  const std::int64_t begin = element_of(table.indptr(), batch);
  const std::int64_t end = element_of(table.indptr(), batch + 1);
  const std::int64_t last = element_of(table.last_page_length(), batch);
  const auto all = static_cast<std::int64_t>(table.indices().extent(0));
  const std::string many = std::to_string(all) + ", the extent of indices";
  require(begin >= 0 && begin <= all, "indptr(" + std::to_string(batch) + ")", begin, "0 to " + many);
  require(end >= begin && end <= all, "indptr(" + std::to_string(batch + 1) + ")", end,
          std::to_string(begin) + " to " + many);
  require(last >= 1 && last <= page_size, "last_page_length(" + std::to_string(batch) + ")", last,
          "1 to the page size (" + std::to_string(page_size) + ")");
  reject("the length of request " + std::to_string(batch), std::to_string((end - begin - 1) * page_size + last),
         "at most the largest (" + std::to_string(most) + ")");
}

template <class TableView, class LengthView>
[[noreturn]] void reject_entry(const PageTable<TableView, LengthView>& table, std::int64_t batch, std::int64_t n,
                               const std::string& accepted) {
  reject("table(" + std::to_string(batch) + ", " + std::to_string(n) + ")",
         std::to_string(element_of(table.table(), batch, n)), accepted);
}
template <class Indptr, class Indices, class Last>
[[noreturn]] void reject_entry(const PageList<Indptr, Indices, Last>& table, std::int64_t batch, std::int64_t n,
                               const std::string& accepted) {
  const std::int64_t at = element_of(table.indptr(), batch) + n;
  reject(
      "indices(" + std::to_string(at) + "), page " + std::to_string(n) + " of request " + std::to_string(batch) + ",",
      std::to_string(element_of(table.indices(), at)), accepted);
}

}  // namespace detail::inline SANTA_BUILD

/// Checks the table of a paged cache: each length from 0 to the largest, with an entry for each of its pages; each of
/// these entries a page of the pool; and the scales of valid rows. Fences `space`.
/// Errors: std::invalid_argument naming the first bad request, or the first bad entry by its request and place.
template <class Space, class KeyView, class ValueView, PageTablePolicy Table, class Build = lanes::Build>
void validate(const Space& space, const PagedCache<KeyView, ValueView, Table>& cache) {
  lanes::require_launchable(space);
  const Shape shape = cache.shape();
  const std::int64_t page_size = cache.page_size();
  const std::int64_t pages = cache.pages();
  const detail::PageEntries entries = cache.table().entries(static_cast<std::int32_t>(page_size));
  const std::int64_t batch =
      detail::first_bad(space, shape.batch, detail::IsBadRequest{entries, page_size, shape.length});
  if (batch < shape.batch) detail::reject_request(cache.table(), batch, page_size, shape.length);
  const std::int64_t each = (shape.length + page_size - 1) / page_size;
  const std::int64_t bad =
      detail::first_bad(space, shape.batch * each, detail::IsBadEntry{entries, page_size, pages, each});
  if (bad < shape.batch * each)
    detail::reject_entry(cache.table(), bad / each, bad % each,
                         "0 to " + std::to_string(pages - 1) + ", the pages of the pool");
  detail::validate_scales(space, cache);
}

}  // namespace santa
