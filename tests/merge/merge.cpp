// Merging partial states.
#include "support/data.hpp"
#include <santa/lanes/host_group.hpp>
#include <santa/merge/attention_states.hpp>
#include <santa/merge/merge.hpp>
#include <santa/merge/outputs.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace santa;
using detail::HeadState;
using SplitStates = detail::SplitStates<false>;
using Group = lanes::HostGroup;

namespace {

constexpr int dim = 24;
constexpr std::size_t stride = sizeof(HeadState) / sizeof(float) + dim + 3;

struct Team {};

/// A state and its N, as they lie in memory.
struct Part {
  HeadState head;
  std::vector<float> sum = std::vector<float>(dim, 0.F);
};

Part random_part(unsigned seed, float reference) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0.5F, 2.F);
  Part part;
  part.head.reference = part.head.mass_reference = reference;
  part.head.mass = 3.F * uniform(random);
  part.head.used = 2.F * uniform(random);
  part.head.squares = uniform(random);
  part.head.variance = uniform(random);
  part.head.certain = 3.F;
  part.head.uncertain = 2.5F;
  for (float& x : part.sum) x = uniform(random) - 1.F;
  return part;
}

Part empty() {
  Part part;
  return part;
}

detail::StateSums<Group, false> sums_of(const Group& group, const SplitStates& states, const HeadState& merged) {
  return {group, states, merged.reference};
}

Part merged(const std::vector<Part>& parts) {
  std::vector<float> memory(parts.size() * stride);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::memcpy(memory.data() + i * stride, &parts[i].head, sizeof(HeadState));
    std::memcpy(memory.data() + i * stride + sizeof(HeadState) / sizeof(float), parts[i].sum.data(),
                dim * sizeof(float));
  }
  const SplitStates states{memory.data(), stride, static_cast<int>(parts.size())};
  Part total;
  const Group group(Team{});
  total.head = detail::merge_heads(group, states);
  detail::store_sums(group, dim, sums_of(group, states, total.head), total.sum.data());
  return total;
}

/// The output itself.
std::vector<float> output(const std::vector<Part>& parts, const float* center = nullptr) {
  std::vector<float> memory(parts.size() * stride);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::memcpy(memory.data() + i * stride, &parts[i].head, sizeof(HeadState));
    std::memcpy(memory.data() + i * stride + sizeof(HeadState) / sizeof(float), parts[i].sum.data(),
                dim * sizeof(float));
  }
  const SplitStates states{memory.data(), stride, static_cast<int>(parts.size())};
  std::vector<float> out(dim);
  const Group group(Team{});
  detail::Arguments arguments;
  arguments.dim = dim;
  if (center != nullptr) arguments.center = {center, {0, 0}};
  const detail::MergedHead<false> of(arguments, 0, detail::merge_heads(group, states));
  detail::write_output(group, arguments, detail::Unit{}, 0, of, sums_of(group, states, of.merged), out.data());
  return out;
}

bool same(const HeadState& a, const HeadState& b) { return std::memcmp(&a, &b, sizeof(HeadState)) == 0; }

}  // namespace

TEST_CASE("the_empty_state_is_the_identity_of_merging") {
  const Part part = random_part(1, 5.F);
  for (const auto& parts :
       {std::vector<Part>{part}, {part, empty()}, {empty(), part}, {empty(), empty(), part, empty()}}) {
    CHECK(same(merged(parts).head, part.head));
    CHECK(output(parts) == output({part}));
  }
}

TEST_CASE("states_without_keys_give_zeros_and_minus_infinity") {
  for (const auto& parts : {std::vector<Part>{empty()}, {empty(), empty()}}) {
    CHECK(output(parts) == std::vector<float>(dim, 0.F));
    CHECK(detail::log2_mass(merged(parts).head) == -test::infinity);
    const std::vector<float> center(dim, 1.F);
    CHECK(output(parts, center.data()) == std::vector<float>(dim, 0.F));
  }
}

TEST_CASE("states_are_brought_to_one_reference") {
  Part a = random_part(1, 5.F);
  Part b = random_part(2, 8.F);
  const Part total = merged({a, b});
  CHECK(total.head.reference == 8.F);
  CHECK(total.head.mass == a.head.mass * 0.125F + b.head.mass);
  CHECK(total.head.used == a.head.used * 0.125F + b.head.used);
  CHECK(total.head.squares == doctest::Approx(a.head.squares / 64.F + b.head.squares));
  CHECK(total.head.variance == doctest::Approx(a.head.variance / 64.F + b.head.variance));
  CHECK(total.head.certain == 6.F);
  CHECK(total.head.uncertain == 5.F);
  const auto out = output({a, b});
  for (std::size_t d = 0; d < dim; ++d)
    CHECK(out[d] == doctest::Approx((a.sum[d] * 0.125F + b.sum[d]) / total.head.mass).epsilon(1e-5));
  CHECK(detail::log2_mass(total.head) == doctest::Approx(8. + std::log2(static_cast<double>(total.head.mass))));
}

TEST_CASE("masses_with_references_of_their_own_are_brought_to_the_largest_of_those") {
  Part a = random_part(1, 5.F);
  Part b = random_part(2, 8.F);
  a.head.mass_reference = 300.F;
  b.head.mass_reference = 302.F;
  std::vector<float> memory(2 * stride);
  std::memcpy(memory.data(), &a.head, sizeof(HeadState));
  std::memcpy(memory.data() + stride, &b.head, sizeof(HeadState));
  const HeadState total =
      detail::merge_heads(Group(Team{}), detail::SplitStates<true>{memory.data(), static_cast<int>(stride), 2});
  CHECK(total.reference == 8.F);
  CHECK(total.used == a.head.used * 0.125F + b.head.used);
  CHECK(total.mass_reference == 302.F);
  CHECK(total.mass == a.head.mass * 0.25F + b.head.mass);
}

TEST_CASE("a_state_far_below_the_largest_adds_nothing_and_breaks_nothing") {
  const Part large = random_part(1, 1000.F);
  const Part small = random_part(2, -1000.F);
  CHECK(output({small, large}) == output({large}));
  CHECK(merged({small, large}).head.mass == large.head.mass);
  const Part huge = random_part(3, 0x1p100F);
  CHECK(output({huge, small, empty()}) == output({huge}));
}

TEST_CASE("merging_is_associative_within_rounding") {
  const Part a = random_part(1, 3.F);
  const Part b = random_part(2, -1.F);
  const Part c = random_part(3, 4.F);
  const Part all = merged({a, b, c});
  for (const Part& other : {merged({merged({a, b}), c}), merged({a, merged({b, c})}), merged({c, b, a})}) {
    CHECK(other.head.reference == all.head.reference);
    CHECK(other.head.mass == doctest::Approx(all.head.mass).epsilon(1e-6));
    CHECK(other.head.used == doctest::Approx(all.head.used).epsilon(1e-6));
    CHECK(other.head.variance == doctest::Approx(all.head.variance).epsilon(1e-6));
    for (std::size_t d = 0; d < dim; ++d) CHECK(other.sum[d] == doctest::Approx(all.sum[d]).epsilon(1e-4));
  }
}

TEST_CASE("the_center_gets_the_mass_that_was_not_drawn") {
  Part part = random_part(1, 2.F);
  std::vector<float> center(dim);
  for (std::size_t d = 0; d < dim; ++d) center[d] = static_cast<float>(d) - 3.F;
  const auto out = output({part}, center.data());
  for (std::size_t d = 0; d < dim; ++d)
    CHECK(
        out[d] ==
        doctest::Approx((part.sum[d] + (part.head.mass - part.head.used) * center[d]) / part.head.mass).epsilon(1e-5));
  part.head.used = part.head.mass;  // every row was read: the center must not matter, whatever it is
  center.assign(dim, test::quiet_nan);
  CHECK(output({part}, center.data()) == output({part}));
}

TEST_CASE("nan_in_one_state_shows_in_the_merged_one") {
  Part bad = random_part(1, 2.F);
  bad.head.mass = test::quiet_nan;
  for (const float x : output({random_part(2, 3.F), bad})) CHECK(std::isnan(x));
}

TEST_CASE("states_in_memory_with_gaps_are_refused") {
  using Memory = Kokkos::DefaultHostExecutionSpace::memory_space;
  using States = AttentionStates<Memory>;
  const Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = 64, .dim = 16};
  const auto floats = static_cast<std::size_t>(States::floats_of_head(shape));
  const States::View whole("test::states", 3, 2, 4, floats);
  CHECK(States(shape, whole).parts() == 3);
  if (KOKKOS_VERSION < 50200) return;  // the assignment is refused
  const States::View longer("test::longer", 3, 2, 4, floats + 4);
  const States::View rows =
      Kokkos::subview(longer, Kokkos::ALL, Kokkos::ALL, Kokkos::ALL, std::pair<std::size_t, std::size_t>(0, floats));
  std::string message;
  try {
    const States states(shape, rows);
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  const auto is = std::to_string(floats + 4), accepted = std::to_string(floats);
  CHECK(message == "santa: states.stride(2) is " + is + "; accepted: " + accepted + ": states lie without gaps");
}
