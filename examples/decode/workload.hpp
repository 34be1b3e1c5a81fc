// A capture where the decoder reads it: queries, centers and as many copies of keys and values as asked for.
#pragma once

#include "decode/capture.hpp"
#include "decode/decoder.hpp"
#include "decode/key_copies.hpp"

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace santa::example {

/// What steps are given beside a cache, the same for all element types.
class Queries {
 public:
  explicit Queries(const Capture& capture) : _shape(capture.shape) {
    for (const CapturedLayer& layer : capture.layers) {
      _positions.push_back(layer.positions);
      _queries.push_back(widened(layer.query));
      _centers.push_back(running_means(layer));
      _lengths.push_back(lengths(layer.positions));
    }
  }

  [[nodiscard]] QueryView query(std::size_t layer, std::size_t position) const {
    const Vectors& all = _queries[layer];
    return QueryView(all.data() + position * all.stride(0), 1, size(_shape.heads), size(_shape.dim));
  }

  /// The mean of the value rows that are visible at the position, for each kv head.
  [[nodiscard]] RunOptions<Memory>::View<const float***> center(std::size_t layer, std::size_t position) const {
    const auto range = std::make_pair(position, position + 1);
    return Kokkos::subview(_centers[layer], range, Kokkos::ALL, Kokkos::ALL);
  }

  [[nodiscard]] std::int64_t visible(std::size_t layer, std::size_t position) const {
    return _positions[layer][position] + 1;
  }
  /// The same as a cache has it.
  [[nodiscard]] LengthView length(std::size_t layer, std::size_t position) const {
    return LengthView(_lengths[layer].data() + position, 1);
  }

 private:
  using Vectors = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;  // [positions, heads or kv_heads, dim]

  static std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }

  /// How many keys each position sees.
  static Kokkos::View<std::int64_t*, Memory> lengths(const std::vector<std::int64_t>& positions) {
    Kokkos::View<std::int64_t*, Memory> result("santa::example::lengths", positions.size());
    const auto host = Kokkos::create_mirror_view(result);
    for (std::size_t i = 0; i < positions.size(); ++i) host(i) = positions[i] + 1;
    Kokkos::deep_copy(result, host);
    return result;
  }

  static Vectors allocate(const std::string& label, std::int64_t a, std::int64_t b, std::int64_t c) {
    return Vectors(Kokkos::view_alloc(Kokkos::WithoutInitializing, label), size(a), size(b), size(c));
  }

  /// Queries as float: no bit is lost.
  static Vectors widened(const Tensor& tensor) {
    Vectors result = allocate("santa::example::query", tensor.shape[0], tensor.shape[1], tensor.shape[2]);
    const auto host = Kokkos::create_mirror_view(result);
    with_elements(tensor, [&](auto elements) {
      for (std::size_t i = 0; i < elements.size(); ++i) host.data()[i] = static_cast<float>(elements[i]);
    });
    Kokkos::deep_copy(result, host);
    return result;
  }

  Vectors running_means(const CapturedLayer& layer) const {
    Vectors result = allocate("santa::example::center", _shape.batch, _shape.kv_heads, _shape.dim);
    const auto host = Kokkos::create_mirror_view(result);
    const std::size_t row_size = size(_shape.kv_heads * _shape.dim);
    std::vector<double> sum(row_size, 0.);
    with_elements(layer.value, [&](auto values) {
      for (std::int64_t row = 0; row < _shape.length; ++row) {
        for (std::size_t i = 0; i < row_size; ++i)
          sum[i] += static_cast<double>(static_cast<float>(values[size(row) * row_size + i]));
        for (std::size_t p = 0; p < layer.positions.size(); ++p)
          if (layer.positions[p] == row)
            for (std::size_t i = 0; i < row_size; ++i)
              host.data()[p * row_size + i] = static_cast<float>(sum[i] / static_cast<double>(row + 1));
      }
    });
    Kokkos::deep_copy(result, host);
    return result;
  }

  Shape _shape;
  std::vector<std::vector<std::int64_t>> _positions;
  std::vector<Kokkos::View<std::int64_t*, Memory>> _lengths;  // of each layer's positions
  std::vector<Vectors> _queries, _centers;
};

/// Rows of keys or values, as bytes.
using RowBytes = Kokkos::View<std::byte*, Memory>;

inline RowBytes allocate_rows(std::size_t bytes) {
  return RowBytes(Kokkos::view_alloc(Kokkos::WithoutInitializing, "santa::example::rows"), bytes);
}

inline RowBytes rows_of(const Tensor& tensor) {
  RowBytes result = allocate_rows(tensor.data.size());
  const auto host = Kokkos::create_mirror_view(result);
  std::memcpy(host.data(), tensor.data.data(), tensor.data.size());
  Kokkos::deep_copy(result, host);
  return result;
}

inline RowBytes clone(const Space& space, const RowBytes& from) {
  RowBytes result = allocate_rows(from.size());
  Kokkos::deep_copy(space, result, from);
  return result;
}

/// Caches of keys and values of type T, and the queries.
template <class T>
class Workload : public Queries {
 public:
  /// With copies of keys for `scoring`, if it needs some.
  Workload(const Space& space, const Capture& capture, const Scoring& scoring)
      : Queries(capture), _shape(capture.shape), _scoring(scoring) {
    _copies.emplace_back();
    for (const CapturedLayer& layer : capture.layers)
      _copies[0].push_back({rows_of(layer.key), rows_of(layer.value), {}});
    make_copies(space, 0);
    space.fence("santa::example::workload");
  }

  /// Makes `count` copies in all. Rotating through copies that no cache holds is what decoding meets in practice: other
  /// layers and other requests pass between two steps of one layer.
  void copy_until(const Space& space, std::size_t count) {
    while (_copies.size() < count) {
      std::vector<Layer> copy;
      for (const Layer& from : _copies[0]) copy.push_back({clone(space, from.keys), clone(space, from.values), {}});
      _copies.push_back(std::move(copy));
      make_copies(space, _copies.size() - 1);
    }
    space.fence("santa::example::workload");
  }

  [[nodiscard]] std::size_t copies() const { return _copies.size(); }

  /// What is visible at the position, of one copy.
  [[nodiscard]] Step<T> step(std::size_t copy, std::size_t layer, std::size_t position) const {
    const Layer& from = _copies[copy % _copies.size()][layer];
    return {first_rows(from, visible(layer, position)), whole(from, layer, position), &from.scored.narrow,
            &from.scored.features, &from.scored.clusters};
  }

 private:
  struct Layer {
    RowBytes keys, values;
    KeyCopies<T> scored;
  };

  [[nodiscard]] RowsView<T> view(const RowBytes& all, std::int64_t length) const {
    const auto size = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
    return RowsView<T>(reinterpret_cast<const T*>(all.data()), 1, size(length), size(_shape.kv_heads),
                       size(_shape.dim));
  }
  [[nodiscard]] Cache<T> first_rows(const Layer& from, std::int64_t length) const {
    return Cache<T>(view(from.keys, length), view(from.values, length));
  }
  [[nodiscard]] WholeCache<T> whole(const Layer& from, std::size_t layer, std::size_t position) const {
    return WholeCache<T>(view(from.keys, _shape.length), view(from.values, _shape.length), length(layer, position));
  }

  /// Of the keys of all layers, with what is known of them from the first position, as a decoder would have it.
  void make_copies(const Space& space, std::size_t copy) {
    for (std::size_t i = 0; i < _copies[copy].size(); ++i) {
      Layer& layer = _copies[copy][i];
      layer.scored = copy_keys(space, first_rows(layer, _shape.length), whole(layer, i, 0), _scoring);
    }
  }

  Shape _shape;
  Scoring _scoring;
  std::vector<std::vector<Layer>> _copies;
};

}  // namespace santa::example
