#include "generate/kernels.hpp"

namespace santa::example {
namespace {

using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;
using Team = Kokkos::TeamPolicy<Space>;

/// An index of rows and columns of each.
Range elements(const Space& space, std::int64_t rows, std::int64_t columns) { return {space, 0, rows * columns}; }

std::int64_t columns(const FloatRows& x) { return static_cast<std::int64_t>(x.extent(1)); }

/// The pair (a, b) turned by an angle.
struct Pair {
  float first, second;

  KOKKOS_FUNCTION Pair(float a, float b, float cosine, float sine)
      : first(a * cosine - b * sine), second(b * cosine + a * sine) {}
};

}  // namespace

void place_chunk(const Space& space, std::int64_t slot, std::int64_t first, const Rows& rows, const Numbers& seen) {
  const Numbers slots = rows.slots;
  const Numbers positions = rows.positions;
  Kokkos::parallel_for(
      "santa::place_chunk", Range(space, 0, rows.count), KOKKOS_LAMBDA(const std::int64_t i) {
        slots(i) = static_cast<std::int32_t>(slot);
        positions(i) = static_cast<std::int32_t>(first + i);
        seen(i) = static_cast<std::int32_t>(first + i + 1);
      });
}

void embed(const Space& space, const Rows& rows, const NarrowRows& embedding, float factor, const FloatRows& hidden) {
  const std::int64_t width = columns(hidden);
  const Numbers tokens = rows.tokens;
  Kokkos::parallel_for(
      "santa::embed", elements(space, rows.count, width), KOKKOS_LAMBDA(const std::int64_t i) {
        hidden(i / width, i % width) = factor * static_cast<float>(embedding(tokens(i / width), i % width));
      });
}

void rms_norm(const Space& space, const FloatRows& x, std::int64_t rows, const FloatVector& weight, double epsilon,
              const FloatRows& y, bool add) {
  const std::int64_t width = columns(x);
  Kokkos::parallel_for(
      "santa::rms_norm", Team(space, static_cast<int>(rows), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team::member_type& team) {
        const int row = team.league_rank();
        double squares = 0.;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, width),
            [&](const std::int64_t i, double& sum) { sum += static_cast<double>(x(row, i)) * x(row, i); }, squares);
        const auto factor = static_cast<float>(1. / Kokkos::sqrt(squares / static_cast<double>(width) + epsilon));
        Kokkos::parallel_for(Kokkos::TeamThreadRange(team, width), [&](const std::int64_t i) {
          y(row, i) = (add ? y(row, i) : 0.F) + x(row, i) * factor * weight(i);
        });
      });
}

void turns_of(const Space& space, const Rows& rows, const Kokkos::View<double*, Memory>& angles,
              const FloatRows& turns) {
  const auto pairs = static_cast<std::int64_t>(angles.extent(0));
  const Numbers positions = rows.positions;
  Kokkos::parallel_for(
      "santa::turns", elements(space, rows.count, pairs), KOKKOS_LAMBDA(const std::int64_t i) {
        const double angle = static_cast<double>(positions(i / pairs)) * angles(i % pairs);
        turns(i / pairs, 2 * (i % pairs)) = static_cast<float>(Kokkos::cos(angle));
        turns(i / pairs, 2 * (i % pairs) + 1) = static_cast<float>(Kokkos::sin(angle));
      });
}

void rotate(const Space& space, const FloatRows& turns, const FloatRows& query, std::int64_t rows) {
  const std::int64_t dim = columns(turns);
  const std::int64_t half_width = columns(query) / 2;
  Kokkos::parallel_for(
      "santa::rotate", elements(space, rows, half_width), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t row = i / half_width;
        const std::int64_t pair = i % half_width % (dim / 2);
        const std::int64_t at = i % half_width / (dim / 2) * dim + pair;
        const Pair turned(query(row, at), query(row, at + dim / 2), turns(row, 2 * pair), turns(row, 2 * pair + 1));
        query(row, at) = turned.first;
        query(row, at + dim / 2) = turned.second;
      });
}

void append(const Space& space, const Rows& rows, const FloatRows& turns, const FloatRows& key, const FloatRows& value,
            std::int64_t layer, const KvCache& cache) {
  const std::int64_t dim = columns(turns);
  const std::int64_t half_width = columns(key) / 2;
  const Numbers slots = rows.slots;
  const Numbers places = rows.places.data() != nullptr ? rows.places : rows.positions;
  const KvCache::View keys = cache.keys;
  const KvCache::View values = cache.values;
  Kokkos::parallel_for(
      "santa::append", elements(space, rows.count, half_width), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t row = i / half_width;
        const std::int64_t pair = i % half_width % (dim / 2);
        const std::int64_t head = i % half_width / (dim / 2);
        const std::int64_t first = head * dim + pair;
        const std::int64_t second = first + dim / 2;
        const std::int32_t slot = slots(row);
        const std::int32_t place = places(row);
        const Pair turned(key(row, first), key(row, second), turns(row, 2 * pair), turns(row, 2 * pair + 1));
        keys(layer, slot, place, head, pair) = bfloat16(turned.first);
        keys(layer, slot, place, head, pair + dim / 2) = bfloat16(turned.second);
        values(layer, slot, place, head, pair) = bfloat16(value(row, first));
        values(layer, slot, place, head, pair + dim / 2) = bfloat16(value(row, second));
      });
}

void activate(const Space& space, Activation activation, const FloatRows& gate, const FloatRows& up,
              std::int64_t rows) {
  const std::int64_t width = columns(gate);
  const bool gelu = activation == Activation::gelu;
  Kokkos::parallel_for(
      "santa::activate", elements(space, rows, width), KOKKOS_LAMBDA(const std::int64_t i) {
        const float x = gate.data()[i];
        const float inner = 0.7978845608F * (x + 0.044715F * x * x * x);  // sqrt(2 / pi)
        const float active = gelu ? 0.5F * x * (1.F + Kokkos::tanh(inner)) : x / (1.F + Kokkos::exp(-x));
        gate.data()[i] = active * up.data()[i];
      });
}

}  // namespace santa::example
