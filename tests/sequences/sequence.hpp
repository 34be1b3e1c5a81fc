// A real decode sequence: the queries of consecutive positions of a captured layer, step by step over a growing cache.
#pragma once

#include "decode/capture.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace santa::test {

/// What a step gave, for every kv head or query head.
struct StepResult {
  std::vector<std::int64_t> rows;  // [kv_heads]
  std::vector<float> error;        // [heads]: the error bar
  std::vector<float> out;          // [heads][dim]
  std::vector<std::uint32_t> flags;
};

/// One captured layer in a space's memory, in bfloat16.
template <class Space>
class Sequence {
 public:
  using Memory = typename Space::memory_space;
  using State = DecodeState<Memory>;

  Sequence(const example::Capture& capture, const example::CapturedLayer& layer)
      : _shape{1, capture.shape.heads, capture.shape.kv_heads, capture.shape.length, capture.shape.dim},
        _scale(capture.scale),
        _positions(layer.positions),
        _query(copy("test::query", layer.query)),
        _keys(copy("test::keys", layer.key)),
        _values(copy("test::values", layer.value)),
        _length("test::length", 1),
        _out("test::out", 1, size(_shape.heads), size(_shape.dim)),
        _error("test::error", 1, size(_shape.heads)),
        _statistics("test::statistics", 1, size(_shape.kv_heads)) {}

  [[nodiscard]] const Shape& shape() const { return _shape; }
  [[nodiscard]] std::size_t steps() const { return _positions.size(); }
  [[nodiscard]] std::int64_t visible(std::size_t step) const { return _positions[step] + 1; }

  template <class M>
  [[nodiscard]] auto plan(const M& method) const {
    return DecodePlan(Space{}, method, _shape, cache_of<Cache>, {.scale = _scale});
  }
  [[nodiscard]] State state() const { return State(Space{}, _shape); }

  template <class Plan>
  StepResult run(const Plan& plan, std::size_t step, const State& state, std::uint64_t seed = 1) const {
    Kokkos::deep_copy(_length, visible(step));
    const std::size_t offset = step * size(_shape.heads * _shape.dim);
    const Kokkos::View<const bfloat16***, Kokkos::LayoutRight, Memory> query(_query.data() + offset, 1,
                                                                             size(_shape.heads), size(_shape.dim));
    const Rows keys = rows(_keys), values = rows(_values);
    plan.run(Space{}, query, Cache{keys, values, _length}, _out,
             {.seed = seed,
              .step = static_cast<std::uint32_t>(step),
              .error = _error,
              .statistics = _statistics,
              .state = state});
    StepResult result;
    const auto statistics = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, _statistics);
    for (std::size_t kv = 0; kv < statistics.extent(1); ++kv) {
      result.rows.push_back(statistics(0, kv).rows_read);
      result.flags.push_back(statistics(0, kv).flags);
    }
    const auto error = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, _error);
    for (std::size_t h = 0; h < error.extent(1); ++h) result.error.push_back(error(0, h));
    const auto out = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, _out);
    result.out.assign(out.data(), out.data() + out.size());
    return result;
  }

 private:
  using Rows = Kokkos::View<const bfloat16****, Kokkos::LayoutRight, Memory>;
  using Length = Kokkos::View<std::int64_t*, Memory>;
  using Cache = ContiguousCache<Rows, Rows, Length>;
  using Elements = Kokkos::View<bfloat16*, Memory>;

  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

  static Elements copy(const std::string& label, const example::Tensor& tensor) {
    const auto from = tensor.as<bfloat16>();
    const Elements view(label, from.size());
    const auto mirror = Kokkos::create_mirror_view(view);
    for (std::size_t i = 0; i < from.size(); ++i) mirror(i) = from[i];
    Kokkos::deep_copy(view, mirror);
    return view;
  }

  [[nodiscard]] Rows rows(const Elements& elements) const {
    return Rows(elements.data(), 1, size(_shape.length), size(_shape.kv_heads), size(_shape.dim));
  }

  Shape _shape;
  float _scale;
  std::vector<std::int64_t> _positions;
  Elements _query, _keys, _values;
  Length _length;
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> _out;
  Kokkos::View<float**, Kokkos::LayoutRight, Memory> _error;
  Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> _statistics;
};

/// A file of captured layers: the one that SANTA_CAPTURE names, or the repository's.
inline example::Capture captured() {
  const char* const given = std::getenv("SANTA_CAPTURE");
  return example::read_capture(given != nullptr ? given : SANTA_DATA_DIR "/smollm2_135m.safetensors");
}

}  // namespace santa::test
