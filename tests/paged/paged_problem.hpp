// The rows of a problem in pages: shuffled, with NaN wherever no valid row lies, and tables with garbage where they may
// have it.
#pragma once

#include "support/data.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace santa::test {

constexpr std::int64_t small_pages[] = {1, 2, 16, 48};

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// How pools are laid out.
struct PoolForm {
  CacheLayout layout = CacheLayout::token_major;
  bool interleaved = false;  // keys and values are halves of each page's block
};

template <class Space, class T, class Q = float>
class PagedProblem {
 public:
  using Memory = typename Space::memory_space;
  using Rows = Kokkos::View<const T****, Kokkos::LayoutStride, Memory>;
  using Entries = Kokkos::View<const std::int32_t**, Kokkos::LayoutStride, Memory>;
  using Table = PageTable<Entries, Kokkos::View<const std::int64_t*, Memory>>;
  using List = PageList<Kokkos::View<const std::int32_t*, Memory>>;

  static constexpr std::int64_t unused_pages = 3;

  PagedProblem(const Problem<Space, T, Q>& problem, std::int64_t size, PoolForm form = {})
      : page_size(size), _problem(problem), _form(form), _max_pages((problem.shape.length + size - 1) / size) {
    for (const std::int64_t length : problem.lengths) _first.push_back(_first.back() + (length + size - 1) / size);
    pages = _first.back() + unused_pages;
    entries.resize(static_cast<std::size_t>(pages));
    std::iota(entries.begin(), entries.end(), 0);
    std::shuffle(entries.begin(), entries.end(), std::mt19937(17));
    // Bad entries are taken for page 0: it has rows.
    std::iter_swap(std::find(entries.begin(), entries.end(), 0), entries.begin());
    fill_pool();
    upload();
  }

  /// Brings the tables to the space's memory: after a change of `entries`, page by page of request by request.
  void upload() {
    const std::vector<std::int32_t> garbage = {-1, 1 << 30, static_cast<std::int32_t>(pages), -(1 << 30)};
    const std::int64_t batch = _problem.shape.batch;
    // Entries of a request lie two apart, with garbage between them.
    std::vector<std::int32_t> table(static_cast<std::size_t>(batch * _max_pages * 2));
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = garbage[i % garbage.size()];
    std::vector<std::int32_t> indptr, last;
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t n = 0; n < count(b); ++n)
        table[static_cast<std::size_t>((b * _max_pages + n) * 2)] = entries[static_cast<std::size_t>(first(b) + n)];
      indptr.push_back(static_cast<std::int32_t>(first(b)));
      const std::int64_t length = _problem.lengths[static_cast<std::size_t>(b)];
      last.push_back(static_cast<std::int32_t>(length > 0 ? (length - 1) % page_size + 1 : 77));
    }
    indptr.push_back(static_cast<std::int32_t>(first(batch)));
    _table = to_space<Space>(table, "test::table");
    _indices = to_space<Space>(std::vector<std::int32_t>(entries.begin(), entries.end() - std::ptrdiff_t{unused_pages}),
                               "test::indices");
    _indptr = to_space<Space>(indptr, "test::indptr");
    _last = to_space<Space>(last, "test::last_page_length");
    _lengths = to_space<Space>(_problem.lengths, "test::lengths");
  }

  [[nodiscard]] Rows keys() const { return pool<const T>(0); }
  [[nodiscard]] Rows values() const { return pool<const T>(_value_offset); }
  [[nodiscard]] auto writable_keys() const { return pool<T>(0); }
  [[nodiscard]] auto writable_values() const { return pool<T>(_value_offset); }
  /// All of both pools.
  [[nodiscard]] const Kokkos::View<T*, Memory>& storage() const { return _storage; }
  [[nodiscard]] CacheLayout layout() const { return _form.layout; }
  [[nodiscard]] Table table() const {
    const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
    const Kokkos::LayoutStride layout(n(_problem.shape.batch), n(_max_pages * 2), n(_max_pages), 2);
    return {Entries(_table.data(), layout), _lengths};
  }
  [[nodiscard]] List list() const { return {_indptr, _indices, _last, _problem.shape.length}; }
  [[nodiscard]] auto by_table() const { return PagedCache{keys(), values(), table(), _form.layout}; }
  [[nodiscard]] auto by_list() const { return PagedCache{keys(), values(), list(), _form.layout}; }

  /// The same pools and pages for requests of these lengths, none longer than the problem's.
  [[nodiscard]] Table table_of(const std::vector<std::int64_t>& lengths) const {
    return {table().table(), to_space<Space>(lengths, "test::lengths")};
  }
  [[nodiscard]] List list_of(const std::vector<std::int64_t>& lengths) const {
    std::vector<std::int32_t> indptr = {0}, indices, last;
    for (std::size_t b = 0; b < lengths.size(); ++b) {
      const std::int64_t used = (lengths[b] + page_size - 1) / page_size;
      const auto from = entries.begin() + first(static_cast<std::int64_t>(b));
      indices.insert(indices.end(), from, from + used);
      indptr.push_back(static_cast<std::int32_t>(indices.size()));
      last.push_back(static_cast<std::int32_t>(lengths[b] > 0 ? (lengths[b] - 1) % page_size + 1 : 77));
    }
    return {to_space<Space>(indptr, "test::indptr"), to_space<Space>(indices, "test::indices"),
            to_space<Space>(last, "test::last_page_length"), _problem.shape.length};
  }

  /// Pages of a request, and where its entries begin among all.
  [[nodiscard]] std::int64_t count(std::int64_t b) const { return first(b + 1) - first(b); }
  [[nodiscard]] std::int64_t first(std::int64_t b) const { return _first[static_cast<std::size_t>(b)]; }

  std::int64_t page_size, pages;
  std::vector<std::int32_t> entries;  // request by request, then those of no request

 private:
  void fill_pool() {
    const Shape& shape = _problem.shape;
    const bool by_token = _form.layout == CacheLayout::token_major;
    const std::int64_t page = page_size * shape.kv_heads * shape.dim;
    _stride[0] = _form.interleaved ? 2 * page : page;
    _stride[1] = by_token ? shape.kv_heads * shape.dim : shape.dim;
    _stride[2] = by_token ? shape.dim : page_size * shape.dim;
    _value_offset = _form.interleaved ? page : pages * page;
    std::vector<T> storage(static_cast<std::size_t>(2 * pages * page), T(quiet_nan));
    for (std::int64_t b = 0; b < shape.batch; ++b)
      for (std::int64_t i = 0; i < _problem.lengths[static_cast<std::size_t>(b)]; ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
          for (std::int64_t d = 0; d < shape.dim; ++d) {
            const std::int64_t at = entries[static_cast<std::size_t>(first(b) + i / page_size)] * _stride[0] +
                                    i % page_size * _stride[1] + kv * _stride[2] + d;
            storage[static_cast<std::size_t>(at)] = T(_problem.key(b, i, kv, d));
            storage[static_cast<std::size_t>(at + _value_offset)] = T(_problem.value(b, i, kv, d));
          }
    _storage = to_space<Space>(storage, "test::pool");
  }

  template <class Element>
  [[nodiscard]] auto pool(std::int64_t offset) const {
    using View = Kokkos::View<Element****, Kokkos::LayoutStride, Memory>;
    const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
    const Shape& shape = _problem.shape;
    Element* const data = _storage.data() + offset;
    if (_form.layout == CacheLayout::head_major)
      return View(data, Kokkos::LayoutStride(n(pages), n(_stride[0]), n(shape.kv_heads), n(_stride[2]), n(page_size),
                                             n(_stride[1]), n(shape.dim), 1));
    return View(data, Kokkos::LayoutStride(n(pages), n(_stride[0]), n(page_size), n(_stride[1]), n(shape.kv_heads),
                                           n(_stride[2]), n(shape.dim), 1));
  }

  const Problem<Space, T, Q>& _problem;
  PoolForm _form;
  std::int64_t _max_pages;
  std::vector<std::int64_t> _first = {0};
  std::int64_t _stride[3] = {0, 0, 0}, _value_offset = 0;
  Kokkos::View<T*, Memory> _storage;
  Kokkos::View<std::int32_t*, Memory> _table, _indices, _indptr, _last;
  Kokkos::View<std::int64_t*, Memory> _lengths;
};

}  // namespace santa::test
