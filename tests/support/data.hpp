// Queries, keys and values of a decode step in the memory of an execution space, with a copy on the host.
#pragma once

#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace santa::test {

inline constexpr float quiet_nan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float infinity = std::numeric_limits<float>::infinity();

/// Where keys and values lie.
enum class Arrangement {
  token_major,  // [batch, length, kv_heads, dim]
  head_major,   // [batch, kv_heads, length, dim]
  fused,        // one row of a buffer per token: queries' place, keys, values, some unused elements
};

/// The bits of an array, for comparisons that mean it.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// A copy on the host of any view of rank 1, contiguous.
template <class T, class View>
std::vector<T> to_host(const View& view) {
  std::vector<T> result(view.size());
  const auto mirror = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<T>(mirror(i));
  return result;
}

template <class Space, class T>
auto to_space(const std::vector<T>& values, const std::string& label) {
  Kokkos::View<T*, typename Space::memory_space> view(Kokkos::view_alloc(label, Kokkos::WithoutInitializing),
                                                      values.size());
  const auto mirror = Kokkos::create_mirror_view(view);
  for (std::size_t i = 0; i < values.size(); ++i) mirror(i) = values[i];
  Kokkos::deep_copy(view, mirror);
  return view;
}

/// A decode step. The host's copy is what was given, rounded to the element types at `upload`, so that a reference sees
/// what kernels see. Slots beyond a request's length, and all memory between rows, hold NaN in the space's memory.
template <class Space, class T, class Q = float>
class Problem {
 public:
  using Memory = typename Space::memory_space;
  using Rows = Kokkos::View<const T****, Kokkos::LayoutStride, Memory>;
  using Queries = Kokkos::View<const Q***, Kokkos::LayoutStride, Memory>;
  using Lengths = Kokkos::View<const std::int64_t*, Memory>;
  using Cache = ContiguousCache<Rows, Rows, Lengths>;

  /// With `one_for_all` every request of the batch has the query and the rows of request 0, in the same memory.
  explicit Problem(const Shape& extents, Arrangement where = Arrangement::token_major, bool one_for_all = false)
      : shape(extents),
        arrangement(where),
        shared(one_for_all),
        lengths(size(shape.batch), shape.length),
        _query(size(stored() * shape.heads * shape.dim)),
        _keys(size(stored() * shape.length * shape.kv_heads * shape.dim)),
        _values(_keys.size()) {}

  float& query(std::int64_t b, std::int64_t h, std::int64_t d) { return _query[query_at(b, h, d)]; }
  float& key(std::int64_t b, std::int64_t i, std::int64_t kv, std::int64_t d) { return _keys[row_at(b, i, kv, d)]; }
  float& value(std::int64_t b, std::int64_t i, std::int64_t kv, std::int64_t d) { return _values[row_at(b, i, kv, d)]; }
  [[nodiscard]] float query(std::int64_t b, std::int64_t h, std::int64_t d) const { return _query[query_at(b, h, d)]; }
  [[nodiscard]] float key(std::int64_t b, std::int64_t i, std::int64_t kv, std::int64_t d) const {
    return _keys[row_at(b, i, kv, d)];
  }
  [[nodiscard]] float value(std::int64_t b, std::int64_t i, std::int64_t kv, std::int64_t d) const {
    return _values[row_at(b, i, kv, d)];
  }

  /// Normal keys and values, and queries that give scores of standard deviation `sigma` with the default scale. Values
  /// have mean 1/2.
  Problem& fill(unsigned seed, float sigma = 2.F) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (float& x : _query) x = sigma * normal(random);
    for (float& x : _keys) x = normal(random);
    for (float& x : _values) x = normal(random) + 0.5F;
    return *this;
  }

  /// Keys whose score in natural units is score(batch, key, head), the same for the heads of a group but for the factor
  /// query_factor(head): only the first feature is not 0.
  Problem& fill_scores(
      const std::function<float(std::int64_t, std::int64_t, std::int64_t)>& score,
      const std::function<float(std::int64_t)>& query_factor = [](std::int64_t) { return 1.F; }) {
    for (float& x : _query) x = 0.F;
    for (float& x : _keys) x = 0.F;
    const float root = std::sqrt(static_cast<float>(shape.dim));
    for (std::int64_t b = 0; b < stored(); ++b) {
      for (std::int64_t h = 0; h < shape.heads; ++h) query(b, h, 0) = root * query_factor(h);
      for (std::int64_t i = 0; i < shape.length; ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv) key(b, i, kv, 0) = score(b, i, kv);
    }
    return *this;
  }

  /// Value row i is the unit vector i: an output shows the weight of each row. Needs length <= dim.
  Problem& fill_one_hot() {
    for (std::int64_t b = 0; b < stored(); ++b)
      for (std::int64_t i = 0; i < shape.length; ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
          for (std::int64_t d = 0; d < shape.dim; ++d) value(b, i, kv, d) = d == i ? 1.F : 0.F;
    return *this;
  }

  Problem& set_lengths(std::vector<std::int64_t> given) {
    lengths = std::move(given);
    return *this;
  }

  /// Changes the lengths in the space's memory only, to anything.
  void replace_lengths(const std::vector<std::int64_t>& given) { _lengths = to_space<Space>(given, "test::lengths"); }

  /// Brings everything to the space's memory.
  Problem& upload() {
    round<Q>(_query);
    round<T>(_keys);
    round<T>(_values);
    strides();
    std::vector<T> storage(size(_elements), T(quiet_nan));
    for (std::int64_t b = 0; b < stored(); ++b)
      for (std::int64_t i = 0; i < shape.length && i < filled(b); ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
          for (std::int64_t d = 0; d < shape.dim; ++d) {
            const std::int64_t at = b * _stride[0] + i * _stride[1] + kv * _stride[2] + d;
            storage[size(at + _key_offset)] = T(key(b, i, kv, d));
            storage[size(at + _value_offset)] = T(value(b, i, kv, d));
          }
    _storage = to_space<Space>(storage, "test::rows");
    std::vector<Q> queries(_query.size());
    for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = Q(_query[i]);
    _queries = to_space<Space>(queries, "test::queries");
    _lengths = to_space<Space>(lengths, "test::lengths");
    return *this;
  }

  [[nodiscard]] Rows key_view() const { return rows(_storage.data() + _key_offset, shape.batch, _stride[0]); }
  [[nodiscard]] Rows value_view() const { return rows(_storage.data() + _value_offset, shape.batch, _stride[0]); }
  [[nodiscard]] Lengths length_view() const { return _lengths; }
  [[nodiscard]] CacheLayout layout() const {
    return arrangement == Arrangement::head_major ? CacheLayout::head_major : CacheLayout::token_major;
  }
  [[nodiscard]] Cache cache() const { return Cache(key_view(), value_view(), _lengths, layout()); }
  [[nodiscard]] Queries queries() const {
    return Queries(_queries.data(), Kokkos::LayoutStride(size(shape.batch), size(shared ? 0 : shape.heads * shape.dim),
                                                         size(shape.heads), size(shape.dim), size(shape.dim), 1));
  }

  Shape shape;
  Arrangement arrangement;
  bool shared;
  std::vector<std::int64_t> lengths;

 private:
  [[nodiscard]] std::int64_t stored() const { return shared ? std::min<std::int64_t>(shape.batch, 1) : shape.batch; }
  /// Slots of a request that hold rows; the others hold NaN.
  [[nodiscard]] std::int64_t filled(std::int64_t b) const {
    return shared ? *std::max_element(lengths.begin(), lengths.end()) : lengths[size(b)];
  }
  static std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }
  [[nodiscard]] std::size_t query_at(std::int64_t b, std::int64_t h, std::int64_t d) const {
    return size(((shared ? 0 : b) * shape.heads + h) * shape.dim + d);
  }
  [[nodiscard]] std::size_t row_at(std::int64_t b, std::int64_t i, std::int64_t kv, std::int64_t d) const {
    return size((((shared ? 0 : b) * shape.length + i) * shape.kv_heads + kv) * shape.dim + d);
  }
  template <class Element>
  static void round(std::vector<float>& values) {
    for (float& x : values) x = static_cast<float>(Element(x));
  }

  void strides() {
    const std::int64_t row = shape.kv_heads * shape.dim;
    const std::int64_t all = stored() * shape.length * row;
    switch (arrangement) {
      case Arrangement::token_major: set_strides(shape.length * row, row, shape.dim, 0, all, 2 * all); break;
      case Arrangement::head_major:
        set_strides(shape.length * row, shape.dim, shape.length * shape.dim, 0, all, 2 * all);
        break;
      case Arrangement::fused: {
        const std::int64_t queries = shape.heads * shape.dim;
        const std::int64_t token = queries + 2 * row + 3;
        set_strides(shape.length * token, token, shape.dim, queries, queries + row, stored() * shape.length * token);
        break;
      }
    }
  }
  void set_strides(std::int64_t batch, std::int64_t row, std::int64_t head, std::int64_t keys, std::int64_t values,
                   std::int64_t elements) {
    _stride[0] = shared ? 0 : batch;
    _stride[1] = row;
    _stride[2] = head;
    _key_offset = keys;
    _value_offset = values;
    _elements = elements;
  }

  [[nodiscard]] Rows rows(const T* data, std::int64_t batch, std::int64_t batch_stride) const {
    if (arrangement == Arrangement::head_major)
      return Rows(data, Kokkos::LayoutStride(size(batch), size(batch_stride), size(shape.kv_heads), size(_stride[2]),
                                             size(shape.length), size(_stride[1]), size(shape.dim), 1));
    return Rows(data, Kokkos::LayoutStride(size(batch), size(batch_stride), size(shape.length), size(_stride[1]),
                                           size(shape.kv_heads), size(_stride[2]), size(shape.dim), 1));
  }

  std::vector<float> _query, _keys, _values;
  std::int64_t _stride[3] = {0, 0, 0}, _key_offset = 0, _value_offset = 0, _elements = 0;
  Kokkos::View<T*, Memory> _storage;
  Kokkos::View<Q*, Memory> _queries;
  Kokkos::View<std::int64_t*, Memory> _lengths;
};

}  // namespace santa::test
