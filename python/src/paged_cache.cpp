// Caches in pages of a pool.
#include "paged_cache.hpp"

#include "append.hpp"
#include "session.hpp"
#include <santa/core/check.hpp>
#include <santa/decode/validate_pages.hpp>

#include <string>
#include <utility>

namespace santa::python {
namespace {

using santa::detail::reject;

AnyPageTable::Table table_of(const TableArrays& a) {
  if (!a.table.given())
    return PageList{list_of<const std::int32_t>(a.indptr, "1: [batch + 1]"),
                    list_of<const std::int32_t>(a.indices, "1: [all pages]"),
                    list_of<const std::int32_t>(a.last_page_length, "1: [batch]"), a.length};
  const auto pages = view_of<const std::int32_t**>(a.table);
  if (a.lengths.type() == Type::int64) return PageTable{pages, list_of<const std::int64_t>(a.lengths, "1: [batch]")};
  return PageTable{pages, list_of<const std::int32_t>(a.lengths, "1: [batch]")};
}

TableArrays table_arrays(nb::handle table, nb::handle lengths, nb::handle indptr, nb::handle indices,
                         nb::handle last_page_length, std::int64_t length) {
  const bool rows = !table.is_none() && !lengths.is_none();
  const bool list = !indptr.is_none() && !indices.is_none() && !last_page_length.is_none();
  const bool other_of_rows = !table.is_none() || !lengths.is_none();
  const bool other_of_list = !indptr.is_none() || !indices.is_none() || !last_page_length.is_none() || length != 0;
  if (!(rows && !other_of_list) && !(list && !other_of_rows))
    reject("the page table", rows || list ? "given in both forms" : "incomplete",
           "table and lengths; or indptr, indices and last_page_length");
  TableArrays arrays{optional_array(table, "table"),
                     optional_array(lengths, "lengths"),
                     optional_array(indptr, "indptr"),
                     optional_array(indices, "indices"),
                     optional_array(last_page_length, "last_page_length"),
                     length};
  for (const Array* const array : {&arrays.table, &arrays.indptr, &arrays.indices, &arrays.last_page_length})
    if (array->given()) array->require_type(Type::int32);
  if (arrays.table.given()) arrays.table.require_rank(2, "2: [batch, max_pages]");
  require_lengths(arrays.lengths);
  return arrays;
}

constexpr const char* doc = R"(Keys and values of a batch of requests in pages of two pools.

keys, values  [pages, page_size, kv_heads, dim] or, with layout="head_major", [pages, kv_heads, page_size, dim], of the
              types that a ContiguousCache takes; any strides, but the last extent is contiguous: halves of one block
              and layers of one allocation will do. Not copied, and kept as long as the cache.
table         [batch, max_pages], int32, any strides: page table[b, n] holds rows n * page_size and on of request b.
              Entries beyond a request's length are never read.
lengths       [batch], int32 or int64.
indptr, indices, last_page_length  in the place of table and lengths, int32: pages indices[indptr[b]] to
              indices[indptr[b + 1] - 1] are those of request b, the last one has last_page_length[b] rows.
length        the largest length of a request with such a list; 0: all rows of the pool.
layout, dtype, key_scale, value_scale  as of a ContiguousCache: scales of rows have the pools' extents without the last.

Entries out of range are taken for page 0 and flagged in the statistics: `santa.validate` names them. Outputs and draws
are those of the same rows in a ContiguousCache. Raises ValueError: name, given, accepted.)";

}  // namespace

AnyPageTable::AnyPageTable(const TableArrays& arrays) : _table(table_of(arrays)) {}

PagedArrays::PagedArrays(RowArrays given, TableArrays pages) : rows(std::move(given)), table(std::move(pages)) {
  static_cast<void>(shape());
}

Shape PagedArrays::shape() const {
  return with_rows(rows, [&]<class T, class Scales>() {
    const PagedRowsOf<const T, Scales> cache(*this);
    (void)cache.addresses();  // strides
    return cache.shape();
  });
}

Shape PagedArrays::pool_shape() const {
  return with_rows(rows, [&]<class T, class Scales>() { return PagedRowsOf<const T, Scales>(*this).pool_shape(); });
}

PlanPointer PagedArrays::make_plan(const Space& space, const PlanRequest& request) const {
  return with_rows(rows, [&]<class T, class Scales>() {
    return santa::python::make_plan<PagedRowsOf<const T, Scales>>(space, request);
  });
}

void PagedArrays::validate(const Space& space) const {
  const auto pool = view_of<const float****>(rows.keys);  // of any element: they are not looked at
  std::visit(
      [&]<class Table>(const Table& pages) {
        santa::validate(
            space, PagedCache<View<const float****>, View<const float****>, Table>(pool, pool, pages, rows.layout));
      },
      AnyPageTable(table).table());
}

void PagedArrays::append(const Space& space, const NewTokenArrays& tokens) const {
  const PagedArrays written = to_write();
  const Launch launch;
  with_rows(rows, [&]<class T, class Scales>() { append_to(space, PagedRowsOf<T, Scales>(written), tokens, type()); });
}

void bind_paged_cache(nb::module_& module) {
  nb::class_<PagedArrays, AnyCache>(module, "PagedCache", doc)
      .def(
          "__init__",
          [](PagedArrays* self, const nb::object& keys, const nb::object& values, const nb::object& table,
             const nb::object& lengths, const nb::object& indptr, const nb::object& indices,
             const nb::object& last_page_length, std::int64_t length, const std::string& layout,
             const nb::object& dtype, const nb::object& key_scale, const nb::object& value_scale) {
            new (self)
                PagedArrays(row_arrays({keys, values, layout, dtype, key_scale, value_scale},
                                       {"[pages, page_size, kv_heads, dim]", "[pages, kv_heads, page_size, dim]"}),
                            table_arrays(table, lengths, indptr, indices, last_page_length, length));
          },
          nb::arg("keys"), nb::arg("values"), nb::arg("table") = nb::none(), nb::arg("lengths") = nb::none(),
          nb::kw_only(), nb::arg("indptr") = nb::none(), nb::arg("indices") = nb::none(),
          nb::arg("last_page_length") = nb::none(), nb::arg("length") = 0, nb::arg("layout") = "token_major",
          nb::arg("dtype") = nb::none(), nb::arg("key_scale") = nb::none(), nb::arg("value_scale") = nb::none())
      .def_prop_ro("keys", [](const PagedArrays& cache) { return cache.rows.keys.object(); })
      .def_prop_ro("values", [](const PagedArrays& cache) { return cache.rows.values.object(); });
}

}  // namespace santa::python
