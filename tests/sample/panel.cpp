// The panel: which keys every step scores before it draws.
#include <santa/lanes/host_group.hpp>
#include <santa/sample/mass_unit/carry.hpp>
#include <santa/sample/mass_unit/panel.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

using namespace santa;
using detail::Panel;
using Group = lanes::HostGroup;

namespace {

struct Team {};

struct Keys {
  std::set<std::int64_t> keys;
  double weight = 0.;  // of all, as the panel counts them
  float of_key_0 = 0.F;
};

/// All keys of a panel; fails where one comes twice or is not visible.
Keys keys_of(std::int64_t start, std::int64_t length) {
  const Group group(Team{});
  const Panel panel(start, length);
  Keys result;
  bool good = true;
  for (int i = 0; i < Panel::tiles; ++i) {
    const detail::SubsetTile tile = panel.tile(i);
    const auto weights = panel.weights(group, i);
    for (int lane = 0; lane < 32; ++lane) {
      if (lane >= tile.count) {
        good = good && weights[lane] == 0.F;
        continue;
      }
      const std::int64_t key = tile.first + lane * tile.step;
      good = good && key >= start && key < length && result.keys.insert(key).second && weights[lane] > 0.F;
      result.weight += static_cast<double>(weights[lane]);
      if (key == 0) result.of_key_0 = weights[lane];
    }
  }
  CHECK(good);
  return result;
}

}  // namespace

TEST_CASE("a_panel_counts_every_key_about_once_and_none_twice") {
  for (const std::int64_t length : {1, 2, 31, 32, 33, 100, 255, 256, 257, 500, 1024, 8191, 8192, 100003, 1048576})
    for (const std::int64_t start : {std::int64_t{0}, std::int64_t{1}, length / 3, length - 1}) {
      CAPTURE(length);
      CAPTURE(start);
      const std::int64_t visible = length - start;
      const Keys keys = keys_of(start, length);
      CHECK(keys.keys.size() <= 256);
      CHECK(keys.weight == doctest::Approx(static_cast<double>(visible)).epsilon(1e-5));
      if (visible <= 100) CHECK(static_cast<std::int64_t>(keys.keys.size()) == visible);
      if (visible >= 1024) CHECK(keys.keys.size() >= 180);
      for (std::int64_t i = std::max(start, length - 32); i < length; ++i) CHECK(keys.keys.count(i) == 1);
      if (start == 0) CHECK(keys.of_key_0 == 1.F);  // stands for itself alone
    }
  CHECK(Panel(5, 5).tile(7).count == 0);
}

TEST_CASE("a_panel_s_strided_keys_stay_as_keys_come_and_a_window_moves") {
  const auto stay = [](std::int64_t window) {
    int kept = 0;
    int steps = 0;
    for (std::int64_t length = 5000; length < 5200; ++length, ++steps) {
      const auto start = [&](std::int64_t n) { return window > 0 ? n - window : 0; };
      const Keys now = keys_of(start(length), length);
      const Keys next = keys_of(start(length + 1), length + 1);
      std::vector<std::int64_t> both;
      std::set_intersection(now.keys.begin(), now.keys.end(), next.keys.begin(), next.keys.end(),
                            std::back_inserter(both));
      kept += both.size() + 5 >= now.keys.size();  // the tail moves on by one
    }
    return static_cast<double>(kept) / static_cast<double>(steps);
  };
  CHECK(stay(0) > 0.9);  // all but where a stride changes
  CHECK(stay(4000) == 1.);
}

TEST_CASE("misses_within_chance_are_made_up_for_by_a_fifth_and_larger_ones_in_full") {
  using detail::damped;
  CHECK(damped(0.F) == 0.F);
  CHECK(damped(0.4F) == doctest::Approx(0.08));
  CHECK(damped(-0.4F) == doctest::Approx(-0.08));
  CHECK(damped(2.F) == doctest::Approx(1.6));
  CHECK(damped(-2.F) == doctest::Approx(-1.6));
}

TEST_CASE("heads_that_had_no_mass_have_no_part_in_the_ratio_that_the_others_share") {
  const Group group(Team{});
  const auto shared = [&](const std::vector<detail::CarriedDelta>& heads) {
    return detail::shared_log_ratio(group, static_cast<int>(heads.size()),
                                    [&](int head) { return heads[static_cast<std::size_t>(head)]; });
  };
  constexpr float none = -lanes::infinity;
  CHECK(shared({{-3.F, 5.F}, {-5.F, 7.F}}) == -4.F);
  CHECK(shared({{-3.F, 5.F}, {none, none}, {-5.F, 7.F}, {lanes::not_a_number, none}}) == -4.F);
  // But one that is read whole, or of which nothing was carried, leaves none.
  CHECK(std::isnan(shared({{-3.F, 5.F}, {none, 7.F}})));
  CHECK(std::isnan(shared({{-3.F, 5.F}, {lanes::not_a_number, lanes::not_a_number}})));
  CHECK(std::isnan(shared({{none, none}, {none, none}})));
}
