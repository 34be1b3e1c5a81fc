// Drafts accepted by a model's logits: the distribution of what comes out, and each result against a plain one.
#include "problem.hpp"
#include "support/statistics.hpp"
#include <santa/token/accept_drafts.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// A right program exceeds it with probability 1e-6 (one-sided).
const double most_z = two_sided_quantile(2e-6);

struct Accepted {
  std::vector<std::int32_t> count;
  std::vector<std::int64_t> next;
};

/// Drafts and the logits of both models, rows further apart than they are long.
template <class Space>
struct DraftProblem {
  using Memory = typename Space::memory_space;
  using Logits = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;
  template <class Data>
  using Host = Kokkos::View<Data, Kokkos::LayoutRight, Kokkos::HostSpace>;

  std::size_t batch, most, vocab;
  Host<float***> target, draft;  // [batch, drafts + 1, vocab], [batch, drafts, vocab], the latter two more with NaN
  Host<std::int32_t**> drafts;   // [batch, drafts]
  bool by_chance = true;

  DraftProblem(std::size_t requests, std::size_t tokens, std::size_t size)
      : batch(requests),
        most(tokens),
        vocab(size),
        target("test::target", batch, most + 1, vocab + 2),
        draft("test::draft", batch, most, vocab + 2),
        drafts("test::drafts", batch, most) {
    Kokkos::deep_copy(target, NAN);
    Kokkos::deep_copy(draft, NAN);
  }

  /// Random logits; drafts drawn from those of the draft model.
  DraftProblem& fill(unsigned seed, double apart, double temperature = 1.) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t j = 0; j <= most; ++j)
        for (std::size_t i = 0; i < vocab; ++i) {
          target(b, j, i) = 2.F * normal(random);
          if (j < most) draft(b, j, i) = target(b, j, i) + static_cast<float>(apart) * normal(random);
        }
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t j = 0; j < most; ++j) drafts(b, j) = draw(probabilities(draft, b, j, temperature), random);
    return *this;
  }

  [[nodiscard]] std::vector<double> probabilities(const Host<float***>& logits, std::size_t b, std::size_t j,
                                                  double temperature) const {
    std::vector<double> p;
    for (std::size_t i = 0; i < vocab; ++i) p.push_back(static_cast<double>(logits(b, j, i)) / temperature);
    const double lse = log_sum_exp(p);
    for (double& x : p) x = std::exp(x - lse);
    return p;
  }
  static std::int32_t draw(const std::vector<double>& p, std::mt19937& random) {
    return std::discrete_distribution<std::int32_t>(p.begin(), p.end())(random);
  }

  [[nodiscard]] Accepted run(DraftOptions<Memory> options, std::size_t first = 0, std::size_t count = 0) const {
    const std::pair some(first, first + (count > 0 ? count : batch));
    const std::size_t requests = some.second - some.first;
    const auto there = [&](const auto& view, std::size_t extent) {
      const auto whole = Kokkos::create_mirror_view_and_copy(Memory(), view);
      return Kokkos::subview(whole, some, Kokkos::ALL, std::pair(std::size_t{0}, extent));
    };
    const auto tokens = Kokkos::create_mirror_view_and_copy(Memory(), drafts);
    auto by = there(draft, vocab);
    if (!by_chance) by = {};
    const Kokkos::View<std::int32_t*, Memory> accepted("test::accepted", requests);
    const Kokkos::View<std::int64_t*, Memory> next("test::next", requests);
    accept_drafts(Space(), Kokkos::subview(tokens, some, Kokkos::ALL), by, there(target, vocab), accepted, next,
                  options);
    return {host_vector(accepted), host_vector(next)};
  }
};

/// The same in double with the same random numbers; `close` where a decision hangs on rounding.
struct Reference {
  std::int32_t count = 0;
  std::int64_t next = -1;
  bool close = false;
};

template <class Space>
Reference reference(const DraftProblem<Space>& problem, std::size_t b, const StreamKey& key, double temperature) {
  Reference result;
  std::vector<double> left;
  for (std::size_t j = 0;; ++j) {
    left = problem.probabilities(problem.target, b, j, temperature);
    if (j == problem.most) break;
    const auto x = static_cast<std::size_t>(problem.drafts(b, j));
    std::vector<double> q(problem.vocab, 0.);
    q[x] = 1.;
    if (problem.by_chance) q = problem.probabilities(problem.draft, b, j, temperature);
    const double uniform = (key.draw(0xffff, static_cast<std::uint32_t>(j)).word[2] + 0.5) * 0x1p-32;
    result.close = result.close || std::fabs(uniform - left[x] / q[x]) < 1e-4;
    if (uniform * q[x] < left[x]) {
      ++result.count;
      continue;
    }
    for (std::size_t i = 0; i < problem.vocab; ++i) left[i] = std::fmax(left[i] - q[i], 0.);
    break;
  }
  for (std::size_t i = 0; i < problem.vocab; ++i) {
    const auto random = key.draw(0xffff, static_cast<std::uint32_t>(65536 + i));
    left[i] = std::log(left[i]) + gumbel_reference(random.word[2], random.word[3]);
  }
  result.next = static_cast<std::int64_t>(argmax(left));
  std::sort(left.begin(), left.end());
  result.close = result.close || left[problem.vocab - 1] - left[problem.vocab - 2] < 1e-4;
  return result;
}

template <class Space>
void check_each(const DraftProblem<Space>& problem, float temperature) {
  CAPTURE(problem.vocab);
  CAPTURE(temperature);
  const Accepted given = problem.run({.temperature = temperature, .seed = 5, .step = 9, .stream = 2});
  std::size_t checked = 0;
  for (std::size_t b = 0; b < problem.batch; ++b) {
    const StreamKey key{5, 9, 2, static_cast<std::uint32_t>(b)};
    const Reference expected = reference(problem, b, key, static_cast<double>(temperature));
    if (expected.close) continue;
    ++checked;
    CHECK(given.count[b] == expected.count);
    CHECK(given.next[b] == expected.next);
  }
  CHECK(checked > problem.batch / 2);
}

/// Two models over 5 tokens, whose second distribution depends on the first token.
struct Pairs {
  static constexpr std::size_t vocab = 5;
  std::vector<double> p0 = {0.4, 0.05, 0.3, 0.2, 0.05}, q0 = {0.1, 0.3, 0.3, 0.1, 0.2};

  static std::vector<double> after(const std::vector<double>& p, std::size_t x) {
    std::vector<double> turned = p;
    std::rotate(turned.begin(), turned.begin() + static_cast<std::ptrdiff_t>(x), turned.end());
    return turned;
  }
};

/// Counts of the first token, and of the first two where there are two.
struct Counts {
  std::vector<double> first = std::vector<double>(Pairs::vocab, 0.), both = std::vector<double>(25, 0.);
};

template <class Space>
Counts count_tokens(float temperature, std::uint32_t steps, bool by_chance) {
  const Pairs pairs;
  constexpr std::size_t batch = 512;
  DraftProblem<Space> problem(batch, 2, Pairs::vocab);
  problem.by_chance = by_chance;
  std::mt19937 random(3);
  Counts counts;
  for (std::uint32_t step = 0; step < steps; ++step) {
    const auto set = [&](auto& logits, std::size_t b, std::size_t j, const std::vector<double>& p) {
      for (std::size_t i = 0; i < Pairs::vocab; ++i)
        logits(b, j, i) = static_cast<float>(3. + static_cast<double>(temperature) * std::log(p[i]));
    };
    for (std::size_t b = 0; b < batch; ++b) {
      // Without chance: what the batch index says.
      const std::int32_t x = by_chance ? problem.draw(pairs.q0, random) : static_cast<std::int32_t>(b % 5);
      const std::vector<double> q1 = pairs.after(pairs.q0, static_cast<std::size_t>(x));
      const std::int32_t y = by_chance ? problem.draw(q1, random) : static_cast<std::int32_t>(b / 5 % 5);
      problem.drafts(b, 0) = x;
      problem.drafts(b, 1) = y;
      set(problem.draft, b, 0, pairs.q0);
      set(problem.draft, b, 1, q1);
      set(problem.target, b, 0, pairs.p0);
      set(problem.target, b, 1, pairs.after(pairs.p0, static_cast<std::size_t>(x)));
      set(problem.target, b, 2, pairs.after(pairs.p0, static_cast<std::size_t>(y)));
    }
    const Accepted given = problem.run({.temperature = temperature, .seed = 1, .step = step});
    for (std::size_t b = 0; b < batch; ++b) {
      const auto first = static_cast<std::size_t>(given.count[b] > 0 ? problem.drafts(b, 0) : given.next[b]);
      counts.first.at(first) += 1.;
      if (given.count[b] == 0) continue;
      const auto second = static_cast<std::size_t>(given.count[b] > 1 ? problem.drafts(b, 1) : given.next[b]);
      counts.both.at(first * Pairs::vocab + second) += 1.;
    }
  }
  return counts;
}

template <class Space>
void check_distribution(float temperature, std::uint32_t steps, bool by_chance) {
  CAPTURE(temperature);
  CAPTURE(by_chance);
  const Pairs pairs;
  const Counts counts = count_tokens<Space>(temperature, steps, by_chance);
  CHECK(chi_square_z(counts.first, pairs.p0) < most_z);
  // A first draft stands with probability min(p, q) in all, and the second token is then drawn from p.
  std::vector<double> both;
  double sum = 0.;
  for (std::size_t x = 0; x < Pairs::vocab; ++x)
    for (const double p : pairs.after(pairs.p0, x)) {
      both.push_back(p * (by_chance ? std::fmin(pairs.p0[x], pairs.q0[x]) : pairs.p0[x]));
      sum += both.back();
    }
  for (double& p : both) p /= sum;
  CHECK(chi_square_z(counts.both, both) < most_z);
}

}  // namespace

SANTA_SPACE_TEST_CASE("accepted_drafts_and_the_next_token_have_the_targets_distribution") {
  check_distribution<Space>(1.F, 100, true);
  check_distribution<Space>(0.5F, 100, true);
  check_distribution<Space>(1.F, 100, false);
}

TEST_CASE("the_test_tells_a_rule_without_correction") {
  const Pairs pairs;
  std::mt19937 random(4);
  std::uniform_real_distribution<double> uniform;
  using Problem = DraftProblem<Kokkos::DefaultExecutionSpace>;
  Counts counts;
  for (int i = 0; i < 100 * 512; ++i) {
    auto x = static_cast<std::size_t>(Problem::draw(pairs.q0, random));
    if (uniform(random) * pairs.q0[x] >= pairs.p0[x]) x = static_cast<std::size_t>(Problem::draw(pairs.p0, random));
    counts.first[x] += 1.;
  }
  CHECK(chi_square_z(counts.first, pairs.p0) > 3. * most_z);
}

SANTA_SPACE_TEST_CASE("each_result_is_the_plain_ones") {
  for (const std::size_t vocab : {2, 31, 64, 700, 9001}) {
    const std::size_t batch = vocab > 1000 ? 24 : 150;
    check_each(DraftProblem<Space>(batch, 4, vocab).fill(1, 0.5), 1.F);
    check_each(DraftProblem<Space>(batch, 3, vocab).fill(2, 0.3, 2.), 2.F);
  }
  DraftProblem<Space> looked_up(100, 3, 20);
  looked_up.fill(3, 0.5).by_chance = false;
  check_each(looked_up, 1.F);
}

SANTA_SPACE_TEST_CASE("without_drafts_the_next_token_is_drawn_from_the_target") {
  DraftProblem<Space> problem(256, 0, 7);
  problem.fill(1, 0.);
  for (std::size_t b = 0; b < problem.batch; ++b)
    for (std::size_t i = 0; i < problem.vocab; ++i) problem.target(b, 0, i) = problem.target(0, 0, i);
  std::vector<double> counts(problem.vocab, 0.);
  for (std::uint32_t step = 0; step < 40; ++step) {
    const Accepted given = problem.run({.seed = 3, .step = step});
    for (std::size_t b = 0; b < problem.batch; ++b) {
      CHECK(given.count[b] == 0);
      counts.at(static_cast<std::size_t>(given.next[b])) += 1.;
    }
  }
  CHECK(chi_square_z(counts, problem.probabilities(problem.target, 0, 0, 1.)) < most_z);
  check_each(DraftProblem<Space>(100, 0, 50).fill(1, 0.), 1.F);
}

SANTA_SPACE_TEST_CASE("greedy_drafts_stand_while_they_are_the_likeliest") {
  DraftProblem<Space> problem(60, 4, 5000);
  problem.fill(1, 0.);
  std::mt19937 random(2);
  std::vector<std::vector<std::int32_t>> best(problem.batch);
  for (std::size_t b = 0; b < problem.batch; ++b)
    for (std::size_t j = 0; j <= problem.most; ++j) {
      // Two largest: the first counts, in the same tile or far behind.
      const std::size_t first = random() % 4000;
      problem.target(b, j, first + 1 + random() % 999) = 20.F;
      problem.target(b, j, first) = 20.F;
      best[b].push_back(static_cast<std::int32_t>(first));
      if (j < problem.most) problem.drafts(b, j) = random() % 4 == 0 ? best[b][j] + 1 : best[b][j];
    }
  const Accepted given = problem.run({.temperature = 0.F});
  std::vector<bool> seen(problem.most + 1, false);
  for (std::size_t b = 0; b < problem.batch; ++b) {
    std::size_t count = 0;
    while (count < problem.most && problem.drafts(b, count) == best[b][count]) ++count;
    CHECK(given.count[b] == static_cast<std::int32_t>(count));
    CHECK(given.next[b] == best[b][count]);
    seen[count] = true;
  }
  CHECK(std::count(seen.begin(), seen.end(), true) == 5);
}

SANTA_SPACE_TEST_CASE("what_a_request_is_given_depends_on_nothing_but_itself") {
  const DraftProblem<Space> problem = DraftProblem<Space>(40, 3, 300).fill(1, 0.5);
  const Accepted all = problem.run({.seed = 4, .step = 2});
  using Memory = typename Space::memory_space;
  const Kokkos::View<std::uint32_t*, Memory> identities("test::identities", 9);
  const auto host = Kokkos::create_mirror_view(identities);
  for (std::uint32_t i = 0; i < 9; ++i) host(i) = 20 + i;
  Kokkos::deep_copy(identities, host);
  const Accepted some = problem.run({.seed = 4, .step = 2, .requests = identities}, 20, 9);
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(some.count[i] == all.count[20 + i]);
    CHECK(some.next[i] == all.next[20 + i]);
  }
  CHECK(problem.run({.seed = 5, .step = 2}).next != all.next);
  CHECK(problem.run({.seed = 4, .step = 3}).next != all.next);
  CHECK(problem.run({.seed = 4, .step = 2, .stream = 1}).next != all.next);
}

SANTA_SPACE_TEST_CASE("fewer_drafts_of_a_request_are_as_if_there_were_no_others") {
  const DraftProblem<Space> problem = DraftProblem<Space>(30, 3, 40).fill(1, 0.);  // all stand
  using Memory = typename Space::memory_space;
  const Kokkos::View<std::int32_t*, Memory> counts("test::counts", 30);
  const auto host = Kokkos::create_mirror_view(counts);
  for (int b = 0; b < 30; ++b) host(b) = b % 6 - 1;
  Kokkos::deep_copy(counts, host);
  for (const float temperature : {0.F, 1.F}) {
    const Accepted given = problem.run({.temperature = temperature, .seed = 1, .counts = counts});
    for (std::size_t b = 0; b < problem.batch; ++b) {
      const std::int32_t most = std::min(std::max(static_cast<std::int32_t>(b % 6) - 1, 0), 3);
      CHECK(given.count[b] <= most);
      if (temperature == 1.F) CHECK(given.count[b] == most);
      CHECK(given.next[b] >= 0);
    }
  }
}

SANTA_SPACE_TEST_CASE("logits_that_are_wrong_show_and_minus_infinity_is_never_drawn") {
  constexpr float inf = HUGE_VALF;
  for (const float temperature : {0.F, 1.F}) {
    CAPTURE(temperature);
    DraftProblem<Space> problem(9, 2, 300);
    problem.fill(1, 0.);
    for (std::size_t b = 0; b < problem.batch; ++b)
      for (std::size_t j = 0; j < 2; ++j) {  // the likeliest by far
        problem.target(b, j, 7) = problem.draft(b, j, 7) = 80.F;
        problem.drafts(b, j) = 7;
      }
    problem.target(0, 0, 170) = NAN;
    problem.target(1, 1, 3) = inf;
    for (std::size_t i = 0; i < 300; ++i) problem.target(2, 2, i) = -inf;
    problem.draft(3, 0, 165) = NAN;
    for (std::size_t i = 0; i < 300; ++i) problem.draft(4, 1, i) = -inf;
    problem.drafts(5, 1) = -1;
    problem.drafts(6, 0) = 300;
    // What lies beside the rows would make these stand.
    problem.target(5, 0, 301) = problem.target(6, 0, 300) = 100.F;
    problem.draft(5, 0, 301) = problem.draft(6, 0, 300) = 0.F;
    for (std::size_t i = 0; i < 300; ++i)
      if (i != 11) problem.target(7, 2, i) = -inf;
    problem.target(8, 0, 7) = -inf;
    const Accepted given = problem.run({.temperature = temperature, .seed = 8});
    const bool greedy = temperature == 0.F;  // then a draft's logits are not looked at
    CHECK(given.count[0] == 0);
    CHECK(given.next[0] == -1);
    CHECK(given.count[1] == 1);
    CHECK(given.next[1] == -1);
    CHECK(given.count[2] == 2);
    CHECK(given.next[2] == -1);
    CHECK(given.count[3] == (greedy ? 2 : 0));
    CHECK(given.next[3] >= 0);
    CHECK(given.count[4] == (greedy ? 2 : 1));
    CHECK(given.count[5] == 1);
    CHECK(given.next[5] == 7);
    CHECK(given.count[6] == 0);
    CHECK(given.next[6] == 7);
    CHECK(given.count[7] == 2);
    CHECK(given.next[7] == 11);
    CHECK(given.count[8] == 0);
    CHECK(given.next[8] != 7);
    CHECK(given.next[8] >= 0);
  }
}

SANTA_SPACE_TEST_CASE("equal_models_and_large_logits_are_no_trouble") {
  for (const float scale : {1.F, 1e30F}) {
    DraftProblem<Space> problem(50, 3, 100);
    problem.fill(1, 0.);
    for (auto* const logits : {&problem.target, &problem.draft})
      for (std::size_t i = 0; i < logits->size(); ++i) logits->data()[i] *= scale;
    for (std::size_t b = 0; b < 50; ++b)
      for (std::size_t j = 0; j < 3; ++j)
        if (scale > 1.F)
          problem.drafts(b, j) = static_cast<std::int32_t>(argmax(problem.probabilities(problem.target, b, j, 1e30)));
    const Accepted given = problem.run({.seed = 8});
    for (std::size_t b = 0; b < 50; ++b) {
      CHECK(given.count[b] == 3);
      CHECK(given.next[b] >= 0);
    }
  }
}

TEST_CASE("what_does_not_fit_is_refused_before_anything_is_written") {
  using Space = Kokkos::DefaultExecutionSpace;
  using Memory = Space::memory_space;
  const Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory> drafts("test::drafts", 2, 3);
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> target("test::target", 2, 4, 8),
      draft("test::draft", 2, 3, 8), none;
  const Kokkos::View<std::int32_t*, Memory> accepted("test::accepted", 2), next("test::next", 2), one("test::one", 1);
  const auto error = [&](const DraftShape& shape, const auto& by, const auto& to, const auto& count,
                         const DraftOptions<Memory>& options) {
    try {
      DraftVerifier<Space>(Space(), shape).run(Space(), drafts, by, to, count, next, options);
      Space().fence();
    } catch (const std::invalid_argument& refused) {
      return std::string(refused.what());
    }
    return std::string();
  };
  const DraftShape shape{2, 3, 8};
  CHECK(error(shape, draft, target, accepted, {}).empty());
  CHECK(error({3, 5, 9}, none, target, accepted, {.temperature = 0.F}).empty());
  CHECK(error({1, 3, 8}, draft, target, accepted, {}) ==
        "santa: drafts.extent(0) is 2; accepted: 0 to the verifier's 1");
  CHECK(error({2, 2, 8}, draft, target, accepted, {}).find("santa: drafts.extent(1) is 3") == 0);
  CHECK(error({2, 3, 7}, draft, target, accepted, {}).find("santa: target_logits.extent(2) is 8") == 0);
  CHECK(error(shape, draft, draft, accepted, {}).find("santa: target_logits.extent(1) is 3; accepted: tokens (4)") ==
        0);
  CHECK(error(shape, target, target, accepted, {}).find("santa: draft_logits.extent(1) is 4") == 0);
  CHECK(error(shape, draft, none, accepted, {}).find("santa: target_logits") == 0);
  CHECK(error(shape, draft, target, one, {}) == "santa: accepted.extent(0) is 1; accepted: the batch (2)");
  for (const float temperature : {-1.F, NAN, HUGE_VALF, 3e38F})
    CHECK(error(shape, draft, target, accepted, {.temperature = temperature}).find("santa: temperature is") == 0);
  CHECK(error(shape, draft, target, accepted, {.counts = one}).find("santa: counts.extent(0) is 1") == 0);
  CHECK(error({2, 1024, 8}, draft, target, accepted, {}).find("santa: drafts is 1024") == 0);
  CHECK(error({2, 3, 0}, draft, target, accepted, {}).find("santa: vocab is 0") == 0);
}
