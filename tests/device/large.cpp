// Caches as long, and as large, as a device is for: rows are made where they lie, by a rule that tells the answer.
#include "device/instances.hpp"
#include "support/statistics.hpp"

#include <array>
#include <cmath>

using namespace santa;
using namespace santa::test;

namespace {

constexpr std::int64_t block = 1 << 16;  // keys in a row whose values are the same
constexpr int levels = 4;

KOKKOS_INLINE_FUNCTION std::uint32_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return static_cast<std::uint32_t>((x ^ (x >> 31)) >> 16);
}
/// The first feature of a key; the others are 0.
KOKKOS_INLINE_FUNCTION int level(std::int64_t batch, std::int64_t key, std::int64_t head) {
  return static_cast<int>(mixed((static_cast<std::uint64_t>(batch) << 50) + (static_cast<std::uint64_t>(head) << 40) +
                                static_cast<std::uint64_t>(key)) %
                          levels);
}
KOKKOS_INLINE_FUNCTION float value_of(std::int64_t batch, std::int64_t block_of_key, std::int64_t head,
                                      std::int64_t feature) {
  const auto name = ((static_cast<std::uint64_t>(batch) * 64 + static_cast<std::uint64_t>(block_of_key)) * 64 +
                     static_cast<std::uint64_t>(head)) *
                        256 +
                    static_cast<std::uint64_t>(feature);
  return static_cast<float>(mixed(name) % 17) - 8.F;
}

using Elements = Kokkos::View<bfloat16*, Device::memory_space>;

/// Keys and values of a token-major cache.
struct Fill {
  Elements keys, values;
  std::int64_t length, heads, dim;

  KOKKOS_FUNCTION void operator()(const std::int64_t row) const {
    const std::int64_t head = row % heads;
    const std::int64_t key = row / heads % length;
    const std::int64_t batch = row / heads / length;
    for (std::int64_t d = 0; d < dim; ++d) {
      const auto at = static_cast<std::size_t>(row * dim + d);
      keys(at) = bfloat16(d == 0 ? static_cast<float>(level(batch, key, head)) : 0.F);
      values(at) = bfloat16(value_of(batch, key / block, head, d));
    }
  }
};

/// A cache of that rule, queries, and the exact answer.
struct Large {
  using Data = Problem<Device, bfloat16, float>;

  explicit Large(const Shape& extents) : shape(extents) {
    const std::int64_t rows = shape.batch * shape.length * shape.kv_heads;
    keys = Elements(Kokkos::view_alloc("test::keys", Kokkos::WithoutInitializing), size(rows * shape.dim));
    values = Elements(Kokkos::view_alloc("test::values", Kokkos::WithoutInitializing), size(rows * shape.dim));
    Kokkos::parallel_for("test::fill", Kokkos::RangePolicy<Device, Kokkos::IndexType<std::int64_t>>(0, rows),
                         Fill{keys, values, shape.length, shape.kv_heads, shape.dim});
    std::vector<float> query(size(shape.batch * shape.heads * shape.dim), 0.F);
    for (std::int64_t row = 0; row < shape.batch * shape.heads; ++row)
      query[size(row * shape.dim)] = slope(row % shape.heads);
    _queries = to_space<Device>(query, "test::queries");
    _lengths = to_space<Device>(std::vector<std::int64_t>(size(shape.batch), shape.length), "test::lengths");
    answer();
  }

  [[nodiscard]] Data::Queries queries() const {
    return Data::Queries(_queries.data(), Kokkos::LayoutStride(size(shape.batch), size(shape.heads * shape.dim),
                                                               size(shape.heads), size(shape.dim), size(shape.dim), 1));
  }
  [[nodiscard]] Data::Cache cache() const { return Data::Cache(rows(keys), rows(values), _lengths); }

  Shape shape;
  Elements keys, values;
  std::vector<double> out, lse;

 private:
  static std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }
  /// Log2 of the weight that a level adds, with a scale of ln 2.
  static float slope(std::int64_t head) { return 0.5F * static_cast<float>(head % 4); }

  [[nodiscard]] Data::Rows rows(const Elements& of) const {
    const std::int64_t row = shape.kv_heads * shape.dim;
    return Data::Rows(of.data(),
                      Kokkos::LayoutStride(size(shape.batch), size(shape.length * row), size(shape.length), size(row),
                                           size(shape.kv_heads), size(shape.dim), size(shape.dim), 1));
  }

  void answer() {
    const std::int64_t blocks = (shape.length + block - 1) / block;
    const std::int64_t group = shape.group();
    out.assign(size(shape.batch * shape.heads * shape.dim), 0.);
    for (std::int64_t b = 0; b < shape.batch; ++b)
      for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv) {
        std::vector<std::array<double, levels>> count(size(blocks));
        for (std::int64_t i = 0; i < shape.length; ++i) ++count[size(i / block)][size(level(b, i, kv))];
        for (std::int64_t h = kv * group; h < (kv + 1) * group; ++h) {
          double total = 0.;
          for (std::int64_t k = 0; k < blocks; ++k) {
            double mass = 0.;
            for (int l = 0; l < levels; ++l) mass += count[size(k)][size(l)] * std::exp2(slope(h) * l);
            total += mass;
            for (std::int64_t d = 0; d < shape.dim; ++d)
              out[size((b * shape.heads + h) * shape.dim + d)] += mass * value_of(b, k, kv, d);
          }
          for (std::int64_t d = 0; d < shape.dim; ++d) out[size((b * shape.heads + h) * shape.dim + d)] /= total;
          lse.push_back(std::log(total));
        }
      }
  }

  Kokkos::View<float*, Device::memory_space> _queries;
  Kokkos::View<std::int64_t*, Device::memory_space> _lengths;
};

const PlanOptions natural{.scale = 0.69314718F};

double largest_lse_error(const Result& result, const Large& large) {
  double largest = 0.;
  for (std::size_t i = 0; i < large.lse.size(); ++i)
    largest = std::fmax(largest, std::fabs(static_cast<double>(result.lse[i]) - large.lse[i]));
  return largest;
}

/// Each head's output within `bars` of its error bars, which are small but not nothing.
void check_within_bars(const Result& result, const Large& large, double bars) {
  const auto dim = static_cast<std::size_t>(large.shape.dim);
  double worst = 0.;
  for (std::size_t head = 0; head < result.error.size(); ++head) {
    double squares = 0.;
    double norm = 0.;
    for (std::size_t d = 0; d < dim; ++d) {
      const double difference = static_cast<double>(result.out[head * dim + d]) - large.out[head * dim + d];
      squares += difference * difference;
      norm += large.out[head * dim + d] * large.out[head * dim + d];
    }
    const auto bar = static_cast<double>(result.error[head]);
    REQUIRE(bar > 0.);
    CHECK(bar < 0.2 * std::sqrt(norm));
    worst = std::fmax(worst, std::sqrt(squares) / bar);
  }
  CHECK(worst < bars);
  CHECK(worst > 0.1);
}

}  // namespace

TEST_CASE("requests_of_a_million_keys_match_what_is_known_of_them") {
  const Large large({.batch = 1, .heads = 6, .kv_heads = 2, .length = 1 << 20, .dim = 64});
  for (const AnyMethod& method : exact_and_samplers(1 << 16)) {
    CAPTURE(method.index());
    Runner<Device, bfloat16, float> runner(large.shape, method, natural);
    const Result& result = runner.run({.seed = 1}, large.queries(), large.cache());
    CHECK(largest_lse_error(result, large) < 2e-5);
    const double error = relative_error(result.out, large.out);
    if (method.index() == 0) {
      CHECK(error < 1e-4);
      for (const Statistics& s : result.statistics) CHECK(s.rows_read == 1 << 20);
    } else {
      CHECK(error < 0.05);
      // Draws in each tile by its own mass are exact where a tile's values are the same.
      CHECK((error > 1e-5) == (method.index() != 5));
    }
  }
}

TEST_CASE("element_offsets_beyond_two_to_the_32_reach_the_rows_they_name") {
  // 2^30 elements a request, of keys and of values: 20 GiB together.
  std::size_t free_bytes = 0;
  std::size_t total = 0;
  REQUIRE(cudaMemGetInfo(&free_bytes, &total) == cudaSuccess);
  if (free_bytes < (std::size_t{21} << 30)) {
    MESSAGE("not run: needs 21 GiB of the device's memory");
    return;
  }
  const Large large({.batch = 5, .heads = 32, .kv_heads = 8, .length = 1 << 20, .dim = 128});
  {
    Runner<Device, bfloat16, float> exact(large.shape, Exact{}, natural);
    const Result& result = exact.run({}, large.queries(), large.cache());
    CHECK(relative_error(result.out, large.out) < 1e-4);
    CHECK(largest_lse_error(result, large) < 2e-5);
  }
  Runner<Device, bfloat16, float> sampled(large.shape, MassUnit{.rows = share(0.01)}, natural);
  const auto state = sampled.state();
  for (std::uint32_t step = 0; step < 2; ++step) {
    const Result& result = sampled.run({.seed = 1, .step = step, .state = state}, large.queries(), large.cache());
    CHECK(largest_lse_error(result, large) < 2e-5);
    for (const Statistics& s : result.statistics)
      CHECK(static_cast<double>(s.rows_read) == doctest::Approx(0.01 * (1 << 20)).epsilon(0.4));
    check_within_bars(result, large, 3.);
  }
}
