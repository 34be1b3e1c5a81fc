// A score stage as a user writes it, quoted by docs/score_stages.md.
#include "narrow/check_exact.hpp"
#include "narrow/pieces_problem.hpp"
#include <santa/santa.hpp>

#include <doctest/doctest.h>

#include <cmath>

// [stage]
/// Keys by the signs of their features and their mean magnitude: k_id ~ m_i sign(k_id), dim / 8 + 4 bytes a key.
template <class Memory>
struct SignKeys {
  Kokkos::View<std::uint8_t****, Kokkos::LayoutRight, Memory> signs;  // [batch, length, kv_heads, dim / 8]: 1 is minus
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> magnitudes;     // [batch, length, kv_heads]

  struct Rows {  // of one (batch, kv head), `stride` rows apart
    std::uint8_t* signs;
    float* magnitudes;
    std::int64_t stride;
    int dim;

    KOKKOS_FUNCTION int width() const { return dim; }
    KOKKOS_FUNCTION float prepared(const float* query, int place) const { return query[place]; }
    template <class F>
    KOKKOS_FUNCTION void for_each(std::int64_t i, F&& f) const {
      const float m = magnitudes[i * stride];
      const std::uint8_t* minus = signs + i * stride * (dim / 8);
      for (int d = 0; d < dim; ++d) f(d, (minus[d / 8] >> d % 8 & 1) != 0 ? -m : m);
    }
    KOKKOS_FUNCTION void encode(std::int64_t i, const float* key) const {  // for encode_keys and encode_newest_keys
      float sum = 0.F;
      for (int d = 0; d < dim; ++d) sum += Kokkos::fabs(key[d]);
      magnitudes[i * stride] = sum / static_cast<float>(dim);
      for (int at = 0; at < dim / 8; ++at) {
        unsigned bits = 0;
        for (int k = 0; k < 8; ++k) bits |= (key[8 * at + k] < 0.F ? 1U : 0U) << k;
        signs[i * stride * (dim / 8) + at] = static_cast<std::uint8_t>(bits);
      }
    }
  };

  struct Addresses {  // what kernels get: numbers and pointers, copied as bytes
    std::uint8_t* signs;
    float* magnitudes;
    std::int64_t length, kv_heads, dim;

    KOKKOS_FUNCTION Rows rows(std::int64_t batch, std::int64_t kv_head) const {
      const std::int64_t first = batch * length * kv_heads + kv_head;
      return {signs + first * (dim / 8), magnitudes + first, kv_heads, static_cast<int>(dim)};
    }
  };
  Addresses addresses() const {
    const santa::Shape s = shape();
    return {signs.data(), magnitudes.data(), s.length, s.kv_heads, s.dim};
  }
  santa::Shape shape() const {
    const auto n = [&](int i) { return static_cast<std::int64_t>(signs.extent(i)); };
    return {.batch = n(0), .heads = n(2), .kv_heads = n(2), .length = n(1), .dim = 8 * n(3)};
  }
};
// [/stage]

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("a_score_stage_of_the_users_gives_attention_over_what_its_rows_stand_for") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 300, .dim = 128});
  problem.fill(3, 1.F).set_lengths({300, 77}).upload();
  SignKeys<typename Space::memory_space> narrow;
  narrow.signs = decltype(narrow.signs)("test::signs", 2, 300, 2, 16);
  narrow.magnitudes = decltype(narrow.magnitudes)("test::magnitudes", 2, 300, 2);
  encode_keys(Space{}, problem.cache(), narrow);
  auto signs_alone = problem;
  for_each_key(problem, [&](std::int64_t b, std::int64_t i, std::int64_t kv) {
    float sum = 0.F;
    for (std::int64_t d = 0; d < 128; ++d) sum += std::fabs(problem.key(b, i, kv, d));
    for (std::int64_t d = 0; d < 128; ++d)
      signs_alone.key(b, i, kv, d) = std::copysign(sum / 128.F, problem.key(b, i, kv, d));
  });
  check_stands_for(problem, narrow, signs_alone);
  validate(Space{}, NarrowCache{problem.cache(), narrow});
}

/// Prepares 65 numbers.
struct TooWide {
  struct Rows {
    KOKKOS_FUNCTION static int width() { return 65; }
    KOKKOS_FUNCTION static float prepared(const float* /*query*/, int /*place*/) { return 0.F; }
    template <class F>
    KOKKOS_FUNCTION static void for_each(std::int64_t /*i*/, F&& /*f*/) {}
  };
  struct Addresses {
    KOKKOS_FUNCTION static Rows rows(std::int64_t /*batch*/, std::int64_t /*kv_head*/) { return {}; }
  };
  static Shape shape() { return {.batch = 1, .heads = 1, .kv_heads = 1, .length = 40, .dim = 64}; }
  static Addresses addresses() { return {}; }
};

SANTA_SPACE_TEST_CASE("a_score_stage_that_prepares_more_numbers_than_there_is_room_for_is_refused") {
  Problem<Space, bfloat16> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 40, .dim = 64});
  problem.fill(1).upload();
  CHECK_THROWS_WITH_AS(static_cast<void>(NarrowCache{problem.cache(), TooWide{}}.shape()),
                       "santa: width of narrow keys' rows is 65; accepted: 1 to dim (64)", std::invalid_argument);
}
