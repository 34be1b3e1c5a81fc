#include "accuracy/extended.hpp"

#include "accuracy/group_problem.hpp"
#include "decode/error.hpp"
#include <santa/random/philox.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace santa::accuracy {
namespace {

using example::CapturedLayer;
using example::Tensor;

constexpr std::int64_t first_rows = 64;
constexpr std::int64_t last_rows = 256;
constexpr std::int64_t block = 32;
constexpr float noise = 0.25F;

/// Where a new row comes from.
struct Sources {
  std::int64_t own, plus, minus;
};

class Rows {
 public:
  Rows(std::int64_t from, std::int64_t to, std::uint64_t seed) : _from(from), _to(to), _seed(seed) {}

  [[nodiscard]] Sources of(std::int64_t row) const {
    const std::int64_t middle = _from - first_rows - last_rows;
    const auto below = [](std::uint32_t word, std::int64_t count) {
      return static_cast<std::int64_t>((std::uint64_t{word} * static_cast<std::uint64_t>(count)) >> 32);
    };
    const std::int64_t inside = row - first_rows;
    const auto start = words(0, inside / block);
    const auto others = words(1, inside);
    return {first_rows + below(start.word[0], middle - block + 1) + inside % block,
            first_rows + below(others.word[0], middle), first_rows + below(others.word[1], middle)};
  }
  /// Where a row that stays lies in the capture, or -1.
  [[nodiscard]] std::int64_t kept(std::int64_t row) const {
    if (row < first_rows) return row;
    return row >= _to - last_rows ? row - _to + _from : -1;
  }

 private:
  [[nodiscard]] Philox4x32::Counter words(std::uint32_t what, std::int64_t i) const {
    return Philox4x32::generate({{static_cast<std::uint32_t>(i), what, 0, 0}},
                                {{static_cast<std::uint32_t>(_seed), static_cast<std::uint32_t>(_seed >> 32)}});
  }

  std::int64_t _from, _to;
  std::uint64_t _seed;
};

Tensor extended(const Tensor& from, const Rows& rows, std::int64_t length) {
  Tensor to = example::make_tensor("BF16", {length, from.shape[1], from.shape[2]});
  const std::size_t width = size(from.shape[1] * from.shape[2]);
  const auto old = from.as<bfloat16>();
  const auto at = [&](std::int64_t row, std::size_t i) { return static_cast<float>(old[size(row) * width + i]); };
  std::vector<double> mean(width, 0.);
  for (std::int64_t row = first_rows; row < from.shape[0] - last_rows; ++row)
    for (std::size_t i = 0; i < width; ++i)
      mean[i] += static_cast<double>(at(row, i)) / static_cast<double>(from.shape[0] - first_rows - last_rows);
  const float shrink = std::sqrt(1.F - 2.F * noise * noise);
  const auto made = to.as<bfloat16>();
  for (std::int64_t row = 0; row < length; ++row) {
    const std::int64_t kept = rows.kept(row);
    const Sources source = kept >= 0 ? Sources{} : rows.of(row);
    for (std::size_t i = 0; i < width; ++i) {
      const auto center = static_cast<float>(mean[i]);
      made[size(row) * width + i] = kept >= 0 ? old[size(kept) * width + i]
                                              : bfloat16(center + shrink * (at(source.own, i) - center) +
                                                         noise * (at(source.plus, i) - at(source.minus, i)));
    }
  }
  return to;
}

}  // namespace

CapturedLayer extended(const CapturedLayer& layer, Shape& shape, std::int64_t length, std::uint64_t seed) {
  const std::int64_t from = layer.key.shape[0];
  if (layer.key.dtype != "BF16" || from <= 1024 || length < from)
    throw example::UserError("--extend " + std::to_string(length) + ": layer " + std::to_string(layer.index) + " has " +
                             std::to_string(from) + " keys of type " + example::printable(layer.key.dtype) +
                             "; accepted: more than 1024 keys in BF16, and at least as many after");
  const Rows rows(from, length, seed);
  CapturedLayer result{layer.index, layer.query, extended(layer.key, rows, length), extended(layer.value, rows, length),
                       layer.positions};
  for (std::int64_t& position : result.positions) position += length - from;
  shape.length = length;
  return result;
}

}  // namespace santa::accuracy
