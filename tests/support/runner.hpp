// Runs any method on a problem and brings the outputs to the host.
#pragma once

#include "support/data.hpp"
#include "support/spaces.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <variant>
#include <vector>

namespace santa::test {

using AnyMethod = std::variant<Exact, MassUnit, Systematic, Stratified, Multinomial, FixedTileBudget,
                               ProportionalTileBudget, MassUnitOf<Draws::joint_l2>, MassUnitOf<Draws::separate>>;

/// MassUnit that draws as a test says at run time, in all else like the one given.
inline AnyMethod mass_unit(Draws draws, const MassUnit& like) {
  const auto as = [&]<Draws form>() { return MassUnitOf<form>{like.rows, like.target_error, like.steered}; };
  switch (draws) {
    case Draws::joint_l2: return as.template operator()<Draws::joint_l2>();
    case Draws::separate: return as.template operator()<Draws::separate>();
    default: return like;
  }
}

/// Every method that samples, in all its forms, with a budget of `rows` rows or samples.
inline std::vector<AnyMethod> samplers(std::int64_t rows) {
  return {MassUnit{.rows = rows},
          MassUnitOf<Draws::joint_l2>{.rows = rows},
          MassUnitOf<Draws::separate>{.rows = rows},
          Systematic{.samples = rows},
          Stratified{.samples = rows},
          Multinomial{.samples = rows},
          FixedTileBudget{.samples = rows, .tile = 32},
          FixedTileBudget{.samples = rows, .tile = 64},
          FixedTileBudget{.samples = rows, .tile = 256},
          ProportionalTileBudget{.samples = rows, .tile = 32},
          ProportionalTileBudget{.samples = rows, .tile = 256}};
}
inline std::vector<AnyMethod> exact_and_samplers(std::int64_t rows) {
  std::vector<AnyMethod> methods = samplers(rows);
  methods.insert(methods.begin(), Exact{});
  return methods;
}

/// Options of a run, on the host.
template <class Space>
struct Settings {
  std::uint64_t seed = 1;
  std::uint32_t step = 0;
  std::uint16_t stream = 0;
  std::vector<std::uint32_t> requests = {};
  std::vector<float> center = {};  // [batch][kv_heads][dim]
  std::vector<float> sinks = {};   // [heads]
  DecodeState<typename Space::memory_space> state = {};
  Space space = {};
  // In place of `seed` and `step`, where they have data.
  Kokkos::View<std::uint64_t, typename Space::memory_space> seed_in_memory = {};
  Kokkos::View<std::uint32_t, typename Space::memory_space> step_in_memory = {};
  Schedule<typename Space::memory_space> schedule = {};
};

/// Outputs of a run, on the host.
struct Result {
  std::vector<float> out;              // [batch][heads][dim]
  std::vector<float> lse, error;       // [batch][heads]
  std::vector<Statistics> statistics;  // [batch][kv_heads]
};

/// A plan for a problem and the outputs of its runs. Members are compiled once per folder of tests, in a file that
/// says SANTA_TEST_RUNNER.
template <class Space, class T, class Q = float, class O = Q, class Modifier = Identity>
class Runner {
 public:
  using Memory = typename Space::memory_space;
  using State = DecodeState<Memory>;
  using Data = Problem<Space, T, Q>;
  template <class M>
  using Plan = DecodePlan<Space, M, typename Data::Cache, Modifier>;

  Runner(const Data& problem, const AnyMethod& method, const PlanOptions& options = {}, const Modifier& modifier = {});
  /// For queries and caches that each run is given.
  Runner(const Shape& shape, const AnyMethod& method, const PlanOptions& options = {}, const Modifier& modifier = {});

  /// Runs once; outputs are first filled with a mark, so that what is not written shows.
  const Result& run(const Settings<Space>& settings) { return run(settings, _problem->queries(), _problem->cache()); }
  const Result& run() { return run(Settings<Space>{}); }
  const Result& run(const Settings<Space>& settings, const typename Data::Queries& queries,
                    const typename Data::Cache& cache);
  /// The parts of `run`: fills the outputs with the mark, runs without touching or fetching them, fetches them.
  void mark() const;
  void launch(const Settings<Space>& settings) { launch(settings, _problem->queries(), _problem->cache()); }
  void launch(const Settings<Space>& settings, const typename Data::Queries& queries,
              const typename Data::Cache& cache);
  const Result& fetch();

  [[nodiscard]] State state() const { return State(Space{}, _shape); }
  [[nodiscard]] std::string describe() const;

 private:
  const Data* _problem = nullptr;
  Shape _shape;
  std::variant<Plan<Exact>, Plan<MassUnit>, Plan<Systematic>, Plan<Stratified>, Plan<Multinomial>,
               Plan<FixedTileBudget>, Plan<ProportionalTileBudget>, Plan<MassUnitOf<Draws::joint_l2>>,
               Plan<MassUnitOf<Draws::separate>>>
      _plan;
  Kokkos::View<O*, Memory> _out;
  Kokkos::View<float*, Memory> _lse, _error;
  Kokkos::View<Statistics*, Memory> _statistics;
  Result _result;
};

/// Fills a state's views from host values: log2 of delta, in absolute units, for the next run.
template <class Space>
void set_log_delta(const DecodeState<typename Space::memory_space>& state, const std::vector<float>& log_delta) {
  const auto ratio = Kokkos::create_mirror_view(state.log_ratio);
  const auto sum = Kokkos::create_mirror_view(state.log2_sum);
  for (std::size_t i = 0; i < log_delta.size(); ++i) {
    ratio.data()[i] = 0.F;  // the same for all heads: those that draw together share it
    sum.data()[i] = log_delta[i];
  }
  Kokkos::deep_copy(state.log_ratio, ratio);
  Kokkos::deep_copy(state.log2_sum, sum);
  Kokkos::deep_copy(state.panel, quiet_nan);  // taken as it is, not moved by a panel's
}

/// Adds `shift` to every carried log2 ratio.
template <class Space>
void shift_log_delta(const DecodeState<typename Space::memory_space>& state, float shift) {
  const auto ratio = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, state.log_ratio);
  for (std::size_t i = 0; i < ratio.size(); ++i) ratio.data()[i] += shift;
  Kokkos::deep_copy(state.log_ratio, ratio);
}

#define SANTA_TEST_EXTERN(space)                                                   \
  extern template class Runner<space, float>;                                      \
  extern template class Runner<space, half, half>;                                 \
  extern template class Runner<space, bfloat16, bfloat16>;                         \
  extern template class Runner<space, bfloat16, float>;                            \
  extern template class Runner<space, bfloat16, bfloat16, float>;                  \
  extern template class Runner<space, float, half, float>;                         \
  extern template class Runner<space, float, float, float, Window>;                \
  extern template class Runner<space, float, float, float, Then<SoftCap, Window>>; \
  extern template class Runner<space, float, float, float, SoftCap>;               \
  extern template class Runner<space, float, float, float, Then<SoftCap, SoftCap>>;
SANTA_TEST_FOR_SPACES(SANTA_TEST_EXTERN)
#undef SANTA_TEST_EXTERN

}  // namespace santa::test
