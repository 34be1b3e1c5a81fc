// The C++ of docs/merging.md, docs/shared_prefixes.md and docs/several_tokens.md.
#include "given.hpp"

using Plan = santa::DecodePlan<Space, santa::Exact, Cache>;

void merged(const Space& space, const View<float***>& query, const Cache& prefix, const Cache& cache,
            const View<float***>& out, const Plan& prefix_plan, const Plan& plan, std::uint32_t step) {
  const santa::DecodeState<Memory> of_prefix, of_cache;
  const View<const float*> sinks;
  const View<float**> lse, bars;
  const View<santa::Statistics**> statistics;
  // [merge]
  santa::AttentionStates<Memory> states{space, plan.shape(), /*parts=*/2, /*error_bars=*/true};

  prefix_plan.run_partial(space, query, prefix, states, 0, {.seed = 7, .step = step, .state = of_prefix});
  plan.run_partial(space, query, cache, states, 1, {.seed = 7, .step = step, .stream = 1, .state = of_cache});
  santa::merge(space, states, out, {.sinks = sinks, .lse = lse, .error = bars, .statistics = statistics});
  // [/merge]
}

void means(const Space& space, const View<float***>& outs, const View<float**>& log_sums, const View<float**>& out,
           const View<float*>& log_sum) {
  // [means]
  // outs [parts, items, dim], log_sums [parts, items] -> out [items, dim], log_sum [items]
  santa::merge(space, santa::PartialStates{outs, log_sums}, out, log_sum);
  // [/means]
}

void shared(const Space& space, const View<float***>& query, const Cache& prefix_cache, const Cache& cache,
            const View<float***>& out, const Plan& plan, const View<std::int32_t*>& sharers, std::int64_t prefixes,
            std::int64_t most, std::int64_t prefix_length, std::uint32_t step) {
  const santa::Exact method;
  const View<float**> lse;
  // [shared]
  // sharers [prefixes + 1], int32 in memory that kernels read: requests sharers(p) to sharers(p + 1) - 1 share prefix
  // p.
  const santa::Shape shape = plan.shape();  // of the requests and their own keys
  const santa::DecodePlan prefix_plan{space,
                                      method,
                                      santa::shape_of_prefixes(shape, prefixes, most, prefix_length),
                                      santa::cache_of<Cache>,
                                      {.causal = false}};  // `most` requests a prefix
  santa::AttentionStates<Memory> states{space, shape, 2};

  prefix_plan.run_shared(space, query, prefix_cache, sharers, states, 0, {.seed = 7, .step = step});
  plan.run_partial(space, query, cache, states, 1, {.seed = 7, .step = step, .stream = 1});
  santa::merge(space, states, out, {.lse = lse});
  // [/shared]
}

void tokens(const Space& space, const View<float****>& query, const Cache& cache, const View<float****>& out) {
  const View<float***> lse;
  // [tokens]
  // query, out [batch, tokens, heads, dim]; the keys and values of the tokens are in the cache already, the lengths
  // count them.
  santa::DecodePlan plan{space, santa::Exact{}, query, cache};
  plan.run(space, query, cache, out, {.lse = lse});  // lse, error [batch, tokens, heads]
  // [/tokens]
}
