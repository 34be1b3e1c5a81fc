// A capture where the decoder reads it: queries, centers and as many copies of keys and values as asked for.
#pragma once

#include "decode/capture.hpp"
#include "decode/decoder.hpp"
#include <santa/cache/encode_keys.hpp>
#include <santa/cache/principal_directions.hpp>
#include <santa/cache/transpose_keys.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace santa::example {

template <class T>
class Workload {
 public:
  /// With copies of keys for `scoring`, if it needs some.
  Workload(const Space& space, const Capture& capture, const Scoring& scoring)
      : _shape(capture.shape), _scoring(scoring) {
    _copies.emplace_back();
    for (const CapturedLayer& layer : capture.layers) {
      _positions.push_back(layer.positions);
      _queries.push_back(widened(layer.query));
      _centers.push_back(running_means(layer));
      _lengths.push_back(lengths(layer.positions));
      _copies[0].push_back({rows(layer.key), rows(layer.value), {}, {}});
    }
    copy_keys(space, 0);
    space.fence("santa::example::workload");
  }

  /// Makes `count` copies in all. Rotating through copies that no cache holds is what decoding meets in practice: other
  /// layers and other requests pass between two steps of one layer.
  void copy_until(const Space& space, std::size_t count) {
    while (_copies.size() < count) {
      std::vector<Layer> copy;
      for (const Layer& from : _copies[0]) copy.push_back({clone(space, from.keys), clone(space, from.values), {}, {}});
      _copies.push_back(std::move(copy));
      copy_keys(space, _copies.size() - 1);
    }
    space.fence("santa::example::workload");
  }

  [[nodiscard]] std::size_t copies() const { return _copies.size(); }

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

  /// What is visible at the position, of one copy.
  [[nodiscard]] Step<T> step(std::size_t copy, std::size_t layer, std::size_t position) const {
    const Layer& from = _copies[copy % _copies.size()][layer];
    const auto view = [&](const Rows& all, std::int64_t length) {
      return RowsView<T>(all.data(), 1, size(length), size(_shape.kv_heads), size(_shape.dim));
    };
    const std::int64_t length = visible(layer, position);
    return {Cache<T>(view(from.keys, length), view(from.values, length)), whole(from, layer, position), &from.narrow,
            &from.features};
  }

 private:
  using Rows = Kokkos::View<T***, Kokkos::LayoutRight, Memory>;         // [length, kv_heads, dim]
  using Vectors = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;  // [positions, heads or kv_heads, dim]
  struct Layer {
    Rows keys, values;
    AnyNarrowKeys<T> narrow;
    FeatureKeys<T, Memory> features;
  };

  [[nodiscard]] WholeCache<T> whole(const Layer& from, std::size_t layer, std::size_t position) const {
    const auto view = [&](const Rows& all) {
      return RowsView<T>(all.data(), 1, size(_shape.length), size(_shape.kv_heads), size(_shape.dim));
    };
    return WholeCache<T>(view(from.keys), view(from.values), LengthView(_lengths[layer].data() + position, 1));
  }

  /// Copies of the keys of all layers, with what is known of them from the first position, as a decoder would have it.
  void copy_keys(const Space& space, std::size_t copy) {
    const Shape shape{1, _shape.kv_heads, _shape.kv_heads, _shape.length, _shape.dim};
    const std::int64_t numbers = _scoring.numbers_of(_shape.dim);
    const auto make = [&]<class Narrow>(auto... size) {
      for (std::size_t i = 0; i < _copies[copy].size(); ++i) {
        Layer& layer = _copies[copy][i];
        const Narrow narrow(space, shape, size...);
        if constexpr (requires { calibrate(space, whole(layer, i, 0), narrow); })
          calibrate(space, whole(layer, i, 0), narrow);
        encode_keys(space, whole(layer, i, 0), narrow);
        layer.narrow = narrow;
      }
    };
    switch (_scoring.stage) {
      case ScoreStage::int8: return make.template operator()<NarrowKeys<std::int8_t, Memory>>();
      case ScoreStage::fp8: return make.template operator()<NarrowKeys<float8, Memory>>();
      case ScoreStage::int4: return make.template operator()<NarrowKeys<int4x2, Memory>>();
      case ScoreStage::low_rank: return make.template operator()<LowRankKeys<T, Memory>>(numbers);
      case ScoreStage::sparse_keys: return make.template operator()<SparseKeys<Memory>>(numbers);
      case ScoreStage::keys: return;
      default: return transpose_all(space, copy, shape);
    }
  }

  void transpose_all(const Space& space, std::size_t copy, const Shape& shape) {
    for (std::size_t i = 0; i < _copies[copy].size(); ++i) {
      Layer& layer = _copies[copy][i];
      layer.features = FeatureKeys<T, Memory>(space, shape);
      const RowsView<T> keys(layer.keys.data(), 1, size(_shape.length), size(_shape.kv_heads), size(_shape.dim));
      transpose_keys(space, Cache<T>(keys, keys), layer.features);  // all keys, and again those that it sees:
      transpose_keys(space, whole(layer, i, 0), layer.features);    // the others stay
    }
  }

  /// How many keys each position sees.
  static Kokkos::View<std::int64_t*, Memory> lengths(const std::vector<std::int64_t>& positions) {
    Kokkos::View<std::int64_t*, Memory> result("santa::example::lengths", positions.size());
    const auto host = Kokkos::create_mirror_view(result);
    for (std::size_t i = 0; i < positions.size(); ++i) host(i) = positions[i] + 1;
    Kokkos::deep_copy(result, host);
    return result;
  }

  static std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }

  template <class View>
  static View allocate(const std::string& label, std::size_t a, std::size_t b, std::size_t c) {
    return View(Kokkos::view_alloc(Kokkos::WithoutInitializing, label), a, b, c);
  }

  static Rows rows(const Tensor& tensor) {
    Rows result =
        allocate<Rows>("santa::example::rows", size(tensor.shape[0]), size(tensor.shape[1]), size(tensor.shape[2]));
    const auto host = Kokkos::create_mirror_view(result);
    std::memcpy(host.data(), tensor.data.data(), tensor.data.size());
    Kokkos::deep_copy(result, host);
    return result;
  }

  static Rows clone(const Space& space, const Rows& from) {
    Rows result = allocate<Rows>("santa::example::copy", from.extent(0), from.extent(1), from.extent(2));
    Kokkos::deep_copy(space, result, from);
    return result;
  }

  /// Queries as float: no bit is lost.
  static Vectors widened(const Tensor& tensor) {
    Vectors result =
        allocate<Vectors>("santa::example::query", size(tensor.shape[0]), size(tensor.shape[1]), size(tensor.shape[2]));
    const auto host = Kokkos::create_mirror_view(result);
    with_elements(tensor, [&](auto elements) {
      for (std::size_t i = 0; i < elements.size(); ++i) host.data()[i] = static_cast<float>(elements[i]);
    });
    Kokkos::deep_copy(result, host);
    return result;
  }

  Vectors running_means(const CapturedLayer& layer) const {
    Vectors result =
        allocate<Vectors>("santa::example::center", size(_shape.batch), size(_shape.kv_heads), size(_shape.dim));
    const auto host = Kokkos::create_mirror_view(result);
    const auto values = layer.value.template as<T>();
    const std::size_t row_size = size(_shape.kv_heads * _shape.dim);
    std::vector<double> sum(row_size, 0.);
    for (std::int64_t row = 0; row < _shape.length; ++row) {
      for (std::size_t i = 0; i < row_size; ++i)
        sum[i] += static_cast<double>(static_cast<float>(values[size(row) * row_size + i]));
      for (std::size_t p = 0; p < layer.positions.size(); ++p)
        if (layer.positions[p] == row)
          for (std::size_t i = 0; i < row_size; ++i)
            host.data()[p * row_size + i] = static_cast<float>(sum[i] / static_cast<double>(row + 1));
    }
    Kokkos::deep_copy(result, host);
    return result;
  }

  Shape _shape;
  Scoring _scoring;
  std::vector<std::vector<std::int64_t>> _positions;
  std::vector<Kokkos::View<std::int64_t*, Memory>> _lengths;  // of each layer's positions
  std::vector<Vectors> _queries, _centers;
  std::vector<std::vector<Layer>> _copies;
};

}  // namespace santa::example
