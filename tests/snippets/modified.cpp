// The C++ of docs/sinks_and_biases.md and docs/model_budget.md.
#include "given.hpp"

void sinks(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out,
           const santa::DecodePlan<Space, santa::Exact, Cache>& plan, const View<float*>& sinks) {
  const View<float**> lse;
  // [sinks]
  // sinks [heads], float, in memory that kernels read; natural units, as the scores after the scale.
  plan.run(space, query, cache, out, {.sinks = sinks, .lse = lse});
  // [/sinks]
}

void biases(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out,
            const View<float*>& slopes) {
  const santa::Exact method;
  // [biases]
  santa::DecodePlan plan{space, method, query, cache, {}, santa::Alibi{slopes}};   // slopes [heads], float
  santa::Then<santa::SoftCap, santa::Alibi> capped{{50.F}, santa::Alibi{slopes}};  // biases are not capped
  // [/biases]
  plan.run(space, query, cache, out);
  capped.check();
}

struct Either {
  // [apply]
  template <class Float>
  KOKKOS_FUNCTION Float apply(const Float& score) const;  // the score alone
  template <class Float>
  KOKKOS_FUNCTION Float apply(const Float& score, const santa::ScoredKeys<Float>& keys) const;  // and whose it is
  // [/apply]
};

// [recency]
struct Recency {  // the last 64 keys count e times as much
  static void check() {}
  static std::int64_t window() { return santa::every_key; }
  template <class Float>
  KOKKOS_FUNCTION Float apply(const Float& score, const santa::ScoredKeys<Float>& keys) const {
    return santa::lanes::select(keys.offset > Float(-64.F), score + Float(santa::lanes::log2_of_e), score);
  }
};
// [/recency]

void of_ones_own(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out) {
  const santa::DecodePlan plan{space, santa::Exact{}, query, cache, {}, Recency{}};
  plan.run(space, query, cache, out);
}

void model(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out, int layers,
           std::uint32_t tokens) {
  // [budget]
  santa::DecodePlan plan{space, santa::MassUnit{.rows = santa::share(0.1), .steered = true}, query, cache};
  santa::ModelBudget<Memory> budget{space, plan.shape(), layers};  // once for a model and a batch

  for (std::uint32_t step = 0; step < tokens; ++step) {
    for (int layer = 0; layer < layers; ++layer)
      plan.run(space, query, cache, out, {.step = step, .stream = layer, .state = budget.state(layer)});
    budget.next_token(space);  // one small kernel a token
  }
  // [/budget]
}
