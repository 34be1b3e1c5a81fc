// Rows at the edges of what codes, scales and floats can hold.
#include "support/data.hpp"
#include "support/spaces.hpp"
#include <santa/santa.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr float most = std::numeric_limits<float>::max();
constexpr int dim = 8;

/// One row as codes of T; center and spread are those of all features.
template <class T>
struct Encoded {
  float scale;
  float number[dim];  // the codes as numbers

  explicit Encoded(const std::vector<float>& key, float center = 0.F, float spread = 1.F) {
    const std::vector<float> centers(dim, center), spreads(dim, spread);
    encode(key.data(), centers.data(), spreads.data());
  }
  template <class Key>
  Encoded(const Key* key, const float* center, const float* spread) {
    encode(key, center, spread);
  }

  [[nodiscard]] bool in_range() const {
    bool good = true;
    for (const float x : number) good = good && std::fabs(x) <= santa::detail::NarrowTraits<T>::largest;
    return good;
  }

 private:
  template <class Key>
  void encode(const Key* key, const float* center, const float* spread) {
    T codes[dim / santa::detail::features_per_element<T>];
    scale = static_cast<float>(santa::detail::encode_row(key, center, spread, dim, codes));
    santa::detail::read_features(codes, 0, dim, number);
  }
};

template <class F>
void for_each_code(const F& f) {
  f(std::int8_t{}, "int8");
  f(int4x2{}, "int4");
  f(float8{}, "fp8");
}

/// The largest error of a code by the row's scale: half a step; of float8, relative to the number, half of an eighth.
template <class T>
double tolerated(double number) {
  if constexpr (std::is_same_v<T, float8>)
    return std::fmax(0x1p-10, std::fabs(number) / 16.) * (1. + 1e-5);
  else
    return 0.5 + 1e-4;
}

}  // namespace

TEST_CASE("converters_saturate_and_have_no_code_for_infinity_or_nan") {
  const auto int8 = [](float x) { return int{santa::detail::NarrowTraits<std::int8_t>::encode(&x)}; };
  const auto int4 = [](float x, float y) {
    const float both[2] = {x, y};
    const int4x2 code = santa::detail::NarrowTraits<int4x2>::encode(both);
    return std::pair{code.even(), code.odd()};
  };
  for (const float large : {127.F, 127.5F, 128.F, 200.F, 1e10F, most, infinity}) {
    CHECK(int8(large) == 127);
    CHECK(int8(-large) == -127);
    CHECK(int4(large, -large) == std::pair{7, -7});
    CHECK(int4(-large, 1.F) == std::pair{-7, 1});
  }
  CHECK(int8(126.5F) == 127);
  CHECK(int8(126.4F) == 126);
  CHECK(int4(7.6F, 6.4F) == std::pair{7, 6});
  CHECK(int8(quiet_nan) == 127);
  CHECK(int4(quiet_nan, 0.F) == std::pair{7, 0});
  for (const float large : {448.F, 449.F, 464.F, 480.F, 1e10F, most, infinity, quiet_nan}) {
    CHECK(float8(large).bits == 0x7e);
    CHECK(float8(-large).bits == 0xfe);
  }
  CHECK(float8(447.9F).bits == 0x7e);
  CHECK(float8(431.9F).bits == 0x7d);
  CHECK(int4x2(8, -9) == int4x2(7, -8));
  CHECK(int4x2(1000, 0) == int4x2(7, 0));
  CHECK(int4x2(0, -1000) == int4x2(0, -8));
}

TEST_CASE("what_overflows_is_the_largest_of_its_type_and_what_is_not_finite_nan") {
  using santa::detail::finite_or_nan;
  CHECK(finite_or_nan<santa::half>(65519.F).bits == 0x7bff);
  for (const float large : {65520.F, 1e10F, most}) {
    CHECK(finite_or_nan<santa::half>(large).bits == 0x7bff);
    CHECK(finite_or_nan<santa::half>(-large).bits == 0xfbff);
  }
  CHECK(finite_or_nan<bfloat16>(most).bits == 0x7f7f);
  CHECK(finite_or_nan<bfloat16>(-most).bits == 0xff7f);
  CHECK(finite_or_nan<float>(-most) == -most);
  CHECK(finite_or_nan<santa::half>(1.F).bits == santa::half(1.F).bits);
  CHECK(finite_or_nan<bfloat16>(-1e-45F).bits == 0x8000);
  for (const float bad : {infinity, -infinity, quiet_nan}) {
    CHECK(std::isnan(static_cast<float>(finite_or_nan<santa::half>(bad))));
    CHECK(std::isnan(static_cast<float>(finite_or_nan<bfloat16>(bad))));
    CHECK(std::isnan(finite_or_nan<float>(bad)));
  }
}

TEST_CASE("a_row_of_zeros_or_of_less_than_any_scale_has_codes_of_0") {
  for_each_code([](auto code, const char* name) {
    using Row = Encoded<decltype(code)>;
    CAPTURE(name);
    for (const float tiny : {0.F, -0.F, 1e-45F, -1e-43F}) {
      const Row row(std::vector<float>(dim, tiny));
      CHECK(row.scale > 0.F);
      CHECK(std::isfinite(row.scale));
      for (const float x : row.number) CHECK(std::fabs(x) * row.scale <= 1e-40F);
    }
    const Row at_center(std::vector<float>(dim, 3.F), 3.F, 2.F);
    CHECK(at_center.scale == 1.F);
    for (const float x : at_center.number) CHECK(x == 0.F);
  });
}

TEST_CASE("the_farthest_feature_meets_the_limit_at_every_rounding_of_the_scale") {
  for_each_code([](auto code, const char* name) {
    using T = decltype(code);
    constexpr float limit = santa::detail::NarrowTraits<T>::largest;
    CAPTURE(name);
    std::mt19937 random(3);
    int wrong = 0;
    for (int i = 0; i < 20000; ++i) {
      // Every other row's scale is a bfloat16, or next to one.
      auto largest = std::bit_cast<float>(static_cast<std::uint32_t>(0x00800000U + random() % 0x7e800000U));
      if (i % 2 == 0) largest = static_cast<float>(bfloat16(largest / limit)) * limit;
      if (i % 4 == 0) largest = std::nextafter(largest, i % 8 == 0 ? infinity : 0.F);
      if (!std::isfinite(largest)) continue;
      std::vector<float> key(dim, 0.F);
      key[1] = i % 3 == 0 ? -largest : largest;
      key[2] = 0.5F * largest;
      const Encoded<T> row(key);
      wrong += !(row.scale > 0.F && std::isfinite(row.scale) && row.in_range());
      for (int d = 0; d < dim; ++d) {
        const double exact = static_cast<double>(key[static_cast<std::size_t>(d)]) / static_cast<double>(row.scale);
        wrong += std::fabs(exact) > static_cast<double>(limit) * (1. + 1e-6);
        wrong += std::fabs(static_cast<double>(row.number[d]) - exact) > tolerated<T>(exact);
      }
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("finite_keys_of_any_magnitude_have_finite_scales_and_the_nearest_codes") {
  const float values[] = {0.F,   -0.F,  1e-45F, -3e-42F, 1e-40F, 1.2e-38F, -1e-30F, 1e-10F,
                          0.01F, -1.2F, 127.F,  448.F,   1e4F,   -1e19F,   1e30F,   most};
  const float spreads[] = {1e-45F, 1e-40F, 1.2e-38F, 1e-30F, 1e-4F, 1.F, 300.F, 1e20F, most};
  for_each_code([&](auto code, const char* name) {
    using T = decltype(code);
    CAPTURE(name);
    std::mt19937 random(5);
    int wrong = 0;
    for (int i = 0; i < 100000; ++i) {
      float key[dim], center[dim], spread[dim];
      for (int d = 0; d < dim; ++d) {
        const float sign = random() % 2 == 0 ? 1.F : -1.F;
        key[d] = sign * values[random() % std::size(values)];
        center[d] = random() % 2 == 0 ? 0.F : values[random() % std::size(values)];
        spread[d] = i % 2 == 0 ? spreads[random() % std::size(spreads)] : 1.F;
      }
      const Encoded<T> row(key, center, spread);
      wrong += !(row.scale > 0.F && std::isfinite(row.scale) && row.in_range());
      for (int d = 0; d < dim; ++d) {
        const auto at_most = [](double x) { return std::fmax(-double{most}, std::fmin(x, double{most})); };
        const double exact = at_most(at_most(double{key[d]} - double{center[d]}) / double{spread[d]});
        const double of_code = exact / static_cast<double>(row.scale);
        wrong += std::fabs(static_cast<double>(row.number[d]) - of_code) > tolerated<T>(of_code);
      }
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("a_key_that_is_not_finite_has_the_scale_nan_and_codes_of_0") {
  for_each_code([](auto code, const char* name) {
    using Row = Encoded<decltype(code)>;
    CAPTURE(name);
    for (const float bad : {infinity, -infinity, quiet_nan}) {
      std::vector<float> key(dim, 1.F);
      key[5] = bad;
      for (const Row& row : {Row(key), Row(std::vector<float>(dim, 1.F), bad, 1.F)}) {
        CHECK(std::isnan(row.scale));
        for (const float x : row.number) CHECK(x == 0.F);
      }
    }
  });
}

SANTA_SPACE_TEST_CASE("keys_at_the_edges_of_floats_are_calibrated_and_encoded_into_valid_rows") {
  Problem<Space, float> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 70, .dim = 8});
  problem.fill(1);
  for (std::int64_t i = 0; i < 70; ++i) {
    const float sign = i % 2 == 0 ? 1.F : -1.F;
    const float features[] = {0.F, most, sign * most, 1e-45F, sign * 1e-45F, sign * 1e-30F, i == 3 ? most : -most};
    for (std::int64_t d = 0; d < 7; ++d) problem.key(0, i, 0, d) = features[d];
  }
  problem.upload();
  for_each_code([&](auto code, const char* name) {
    CAPTURE(name);
    const NarrowKeys<decltype(code), typename Space::memory_space> narrow(Space{}, problem.shape);
    calibrate(Space{}, problem.cache(), narrow);
    encode_keys(Space{}, problem.cache(), narrow);
    CHECK_NOTHROW(validate(Space{}, NarrowCache{problem.cache(), narrow}));
    const auto center = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, narrow.center);
    const auto spread = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, narrow.spread);
    for (std::size_t d = 0; d < 8; ++d) {
      CHECK(std::isfinite(center(0, 0, d)));
      CHECK(spread(0, 0, d) > 0.F);
      CHECK(std::isfinite(spread(0, 0, d)));
    }
  });
}

TEST_CASE("pieces_of_keys_saturate_and_keys_that_are_not_finite_become_nan") {
  const float up[dim] = {1.F, 1.F, 1.F, 1.F, 1.F, 1.F, 1.F, 1.F};
  const auto low_rank = [&](const auto& key, auto number) {
    using T = decltype(number);
    santa::detail::LowRankRows<T>{&number, 1, up, 1, dim, false}.encode(0, key);
    return static_cast<float>(number);
  };
  const auto sparse = [](const float* key) {
    std::uint8_t feature = 0;
    bfloat16 value;
    santa::detail::SparseRows{&feature, &value, 1, 1, 0, dim, false}.encode(0, key);
    CHECK(int{feature} == 3);
    return static_cast<float>(value);
  };
  for (const float sign : {1.F, -1.F}) {
    const float large[dim] = {0.F, sign * 4e4F, 0.F, sign * 4e4F};
    CHECK(low_rank(large, santa::half{}) == sign * 65504.F);
    CHECK(low_rank(large, bfloat16{}) == sign * 79872.F);
    const float largest[dim] = {0.F, sign, 0.F, sign * most, 0.F, 0.F, 0.F, 0.F};
    CHECK(low_rank(largest, santa::half{}) == sign * 65504.F);
    CHECK(low_rank(largest, bfloat16{}) == sign * 0x1.fep127F);
    CHECK(low_rank(largest, float{}) == sign * most);
    CHECK(sparse(largest) == sign * 0x1.fep127F);
    const float two[dim] = {sign * most, sign * most};  // whose sum is no float
    CHECK(low_rank(two, float{}) == sign * most);
    CHECK(low_rank(two, santa::half{}) == sign * 65504.F);
  }
  const float none[dim] = {};
  CHECK(low_rank(none, santa::half{}) == 0.F);
  for (const float bad : {infinity, -infinity, quiet_nan}) {
    const float key[dim] = {0.F, 1.F, 0.F, bad};
    CHECK(std::isnan(low_rank(key, santa::half{})));
    CHECK(std::isnan(low_rank(key, float{})));
    CHECK(std::isnan(sparse(key)));
  }
}
