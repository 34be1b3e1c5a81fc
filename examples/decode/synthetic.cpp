#include "decode/synthetic.hpp"

#include "decode/error.hpp"
#include <santa/random/philox.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <numbers>
#include <utility>

namespace santa::example {
namespace {

/// Which numbers: each has its own.
enum class Part : std::uint32_t { query, key, value, mean };

/// In the place of a draw's stream and head (StreamKey): the seed is also that of the draws, whose numbers are others.
constexpr std::uint32_t no_draw = 0xfffffffcU;

/// The i-th standard normal number of a part (Box and Muller); any thread computes any of them.
float normal(std::uint64_t seed, Part part, std::int64_t i) {
  const auto counter = static_cast<std::uint64_t>(i);
  const Philox4x32::Counter bits =
      Philox4x32::generate({{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                             static_cast<std::uint32_t>(part), no_draw}},
                           {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
  const float radius = std::sqrt(-2.F * std::log((static_cast<float>(bits.word[0] >> 8) + 1.F) * 0x1p-24F));
  return radius * std::cos(2.F * std::numbers::pi_v<float> * static_cast<float>(bits.word[1] >> 8) * 0x1p-24F);
}

template <class F>
void in_parallel(std::int64_t count, const F& f) {
  using Host = Kokkos::DefaultHostExecutionSpace;
  Kokkos::parallel_for("santa::example::synthetic", Kokkos::RangePolicy<Host>(0, count), f);
  Host().fence();
}

void check(const Synthetic& recipe) {
  const Shape& s = recipe.shape;
  const auto reject = [](const std::string& what) { throw UserError("--synthetic: " + what); };
  if (s.batch < 1 || s.heads < 1 || s.kv_heads < 1 || s.length < 1 || s.dim < 1)
    reject("each number must be 1 or more");
  if (s.heads % s.kv_heads != 0 || s.heads >= 65536) reject("H must be a multiple of KVH, below 65536");
  if (s.dim % 8 != 0 || s.dim > max_dim) reject("D must be a multiple of 8 from 8 to 256");
  if (s.batch > s.length) reject("B, the number of query positions, must be at most L");
  constexpr std::int64_t most = std::int64_t{1} << 30;  // elements: 2 GiB of keys
  if (s.length > most / s.dim / s.kv_heads || s.batch > most / s.dim / s.heads)
    reject("keys or queries would have more than 2^30 elements");
  if (!(recipe.sharpness >= 0. && recipe.sharpness <= 1e4)) throw UserError("--sharpness must be 0 to 10000");
}

/// A random query of the length that gives scores against standard normal keys their standard deviation.
Tensor make_queries(const Synthetic& recipe, float scale) {
  const Shape& s = recipe.shape;
  Tensor tensor = make_tensor("F32", {s.batch, s.heads, s.dim});
  const auto elements = tensor.as<float>();
  for (std::int64_t row = 0; row < s.batch * s.heads; ++row) {
    const auto query = elements.subspan(static_cast<std::size_t>(row * s.dim), static_cast<std::size_t>(s.dim));
    double norm = 0.;
    for (std::int64_t d = 0; d < s.dim; ++d) {
      const float x = normal(recipe.seed, Part::query, row * s.dim + d);
      query[static_cast<std::size_t>(d)] = x;
      norm += static_cast<double>(x) * static_cast<double>(x);
    }
    const auto factor = static_cast<float>(recipe.sharpness / (static_cast<double>(scale) * std::sqrt(norm)));
    for (float& x : query) x *= factor;
  }
  return tensor;
}

Tensor make_rows(const Synthetic& recipe, Part part) {
  const Shape& s = recipe.shape;
  Tensor tensor = make_tensor("BF16", {s.length, s.kv_heads, s.dim});
  bfloat16* const elements = tensor.as<bfloat16>().data();
  const std::int64_t row_size = s.kv_heads * s.dim;
  const std::uint64_t seed = recipe.seed;
  in_parallel(s.length, [=](const std::int64_t row) {
    for (std::int64_t i = 0; i < row_size; ++i) {
      const float mean = part == Part::value ? normal(seed, Part::mean, i) : 0.F;
      elements[row * row_size + i] = bfloat16(mean + normal(seed, part, row * row_size + i));
    }
  });
  return tensor;
}

}  // namespace

Capture make_synthetic(const Synthetic& recipe) {
  check(recipe);
  Capture capture;
  capture.shape = recipe.shape;
  capture.scale = 1.F / std::sqrt(static_cast<float>(recipe.shape.dim));
  capture.source = "synthetic";
  capture.model = "random data";
  capture.text = "keys and values normal, scores of standard deviation " + std::to_string(recipe.sharpness);
  CapturedLayer layer;
  layer.query = make_queries(recipe, capture.scale);
  layer.key = make_rows(recipe, Part::key);
  layer.value = make_rows(recipe, Part::value);
  for (std::int64_t i = recipe.shape.batch; i > 0; --i) layer.positions.push_back(recipe.shape.length - i);
  capture.layers.push_back(std::move(layer));
  return capture;
}

}  // namespace santa::example
