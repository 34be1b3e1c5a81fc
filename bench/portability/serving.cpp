#include "serving.hpp"

#include "copies.hpp"
#include "read_ceiling.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace santa_bench {

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Run = santa::RunOptions<Memory>;
using Queries =
    Kokkos::View<const santa::bfloat16****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
using Outputs = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;
using Counts = Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory>;

constexpr std::int64_t page_size = 16;

std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }
std::size_t rotation() { return santa::lanes::is_host_space<Space> ? rotation_bytes() : std::size_t{512} << 20U; }

/// The queries of caches made for tokens * heads heads, by tokens.
Queries by_tokens(const Caches<Space>& caches, std::int64_t tokens) {
  const santa::Shape& s = caches.shape;
  return Queries(caches.query.data(), size(s.batch), size(tokens), size(s.heads / tokens), size(s.dim));
}

/// Times step(copy, options, with statistics): the options name seed and step alone. `keys`: those of all kv heads.
template <class Step>
Measured measure_steps(const Space& space, std::size_t copies, double keys, const Outputs& out,
                       const Counts& statistics, int repeats, const Step& step_of) {
  Measured result = time_steps(space, copies, copies, repeats, [&](std::size_t copy, std::uint32_t step, bool count) {
    step_of(copy, Run{.seed = run_seed, .step = step}, count);
  });
  // Slices of more heads than a product has count rows of their own; no row has to be read more than once.
  result.rows_fraction = std::min(1., rows_of(statistics) / keys);
  result.bytes = keys * 128. * sizeof(santa::bfloat16) * (1. + result.rows_fraction);
  result.out = outputs_of(out);
  return result;
}

/// A plan's steps over copies of a cache.
template <class Method, class CacheOf>
Measured measure_plan(const Space& space, const Method& method, const Queries& query, std::size_t copies,
                      const CacheOf& cache_of, int repeats) {
  const santa::DecodePlan plan(space, method, query, cache_of(0));
  const santa::Shape& shape = plan.shape();
  const Outputs out("out", size(shape.batch), size(shape.tokens), size(shape.heads), size(shape.dim));
  const Counts statistics("statistics", size(shape.batch), size(shape.kv_heads));
  std::vector<santa::DecodeState<Memory>> states;
  for (std::size_t copy = 0; copy < copies; ++copy) states.emplace_back(space, shape);
  const double keys = static_cast<double>(shape.batch * shape.kv_heads * shape.length);
  return measure_steps(space, copies, keys, out, statistics, repeats, [&](std::size_t copy, Run options, bool count) {
    options.state = states[copy];
    if (count) options.statistics = statistics;
    plan.run(space, query, cache_of(copy), out, options);
  });
}

/// Adds Exact and MassUnit, measured by measure(method).
template <class Measure>
void add_methods(const Space& space, const santa::Shape& shape, const Options& options, Report& report,
                 const Measure& measure) {
  Measured exact;
  const auto add = [&](const char* name, const auto& method, const Report::Budget& budget) {
    try {
      const Measured measured = measure(method);
      if (exact.out.empty()) exact = measured;
      report.add(shape, name, budget, measured, exact.microseconds() / measured.microseconds(),
                 relative_error(measured.out, exact.out), {});
    } catch (const std::exception& error) {
      space.fence();
      report.add_unsupported(shape, name, error.what(), {});
    }
  };
  add("exact", santa::Exact{}, {});
  add("mass-unit", santa::MassUnit{.rows = santa::share(options.share)},
      {.rows = options.share * static_cast<double>(shape.length)});
}

void run_tokens(const Space& space, const Options& options, Report& report) {
  constexpr std::int64_t tokens = 4;
  const santa::Shape shape{4, 32, 8, 32768 / options.divide, 128};
  santa::Shape rows = shape;
  rows.heads *= tokens;
  const Caches<Space> caches(space, rows, options.sharpness, rotation());
  report.set_ceiling(shape, ceiling_of(space, caches.copies(), caches.bytes(), options.repeats,
                                       [&](std::size_t copy) { return caches.data(copy); }));
  const auto cache = [&](std::size_t copy) { return caches.cache(copy); };
  add_methods(space, shape, options, report, [&](const auto& method) {
    return measure_plan(space, method, by_tokens(caches, tokens), caches.copies(), cache, options.repeats);
  });
}

void run_pages(const Space& space, const Options& options, Report& report) {
  const santa::Shape shape{4, 32, 8, 32768 / options.divide, 128};
  const Caches<Space> caches(space, shape, options.sharpness, rotation());
  report.set_ceiling(shape, ceiling_of(space, caches.copies(), caches.bytes(), options.repeats,
                                       [&](std::size_t copy) { return caches.data(copy); }));
  const std::int64_t pages = shape.batch * shape.length / page_size;
  std::vector<std::int32_t> order(size(pages));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(5));
  const Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory> table("table", size(shape.batch),
                                                                        size(shape.length / page_size));
  const Kokkos::View<std::int32_t*, Memory> lengths("lengths", size(shape.batch));
  const auto host = Kokkos::create_mirror_view(table);
  std::copy(order.begin(), order.end(), host.data());
  Kokkos::deep_copy(table, host);
  Kokkos::deep_copy(lengths, static_cast<std::int32_t>(shape.length));
  using Pool =
      Kokkos::View<const santa::bfloat16****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  const auto cache = [&](std::size_t copy) {
    const auto* const keys = reinterpret_cast<const santa::bfloat16*>(caches.data(copy));
    const auto pool = [&](const santa::bfloat16* rows) {
      return Pool(rows, size(pages), size(page_size), size(shape.kv_heads), size(shape.dim));
    };
    return santa::PagedCache{pool(keys), pool(keys + caches.bytes() / (2 * sizeof(santa::bfloat16))),
                             santa::PageTable{table, lengths}};
  };
  add_methods(space, shape, options, report, [&](const auto& method) {
    return measure_plan(space, method, by_tokens(caches, 1), caches.copies(), cache, options.repeats);
  });
}

/// A prefix and the requests' own keys, read one after the other and merged.
template <class Method>
Measured measure_prefix(const Space& space, const Method& method, const Caches<Space>& prefix, const Caches<Space>& own,
                        int repeats) {
  const Queries query = by_tokens(own, 1);
  const santa::DecodePlan plan(space, method, query, own.cache(0));
  const santa::Shape& shape = plan.shape();
  const santa::DecodePlan prefix_plan(space, method,
                                      santa::shape_of_prefixes(shape, 1, shape.batch, prefix.shape.length),
                                      santa::cache_of<decltype(prefix.cache(0))>, {.causal = false});
  const Kokkos::View<std::int32_t*, Memory> sharers("sharers", 2);
  const auto host = Kokkos::create_mirror_view(sharers);
  host(1) = static_cast<std::int32_t>(shape.batch);
  Kokkos::deep_copy(sharers, host);
  const santa::AttentionStates<Memory> states(space, shape, 2);
  const Outputs out("out", size(shape.batch), 1, size(shape.heads), size(shape.dim));
  const Counts statistics("statistics", size(shape.batch), size(shape.kv_heads));
  const std::size_t copies = std::min(prefix.copies(), own.copies());
  std::vector<santa::DecodeState<Memory>> of_prefix, of_own;
  for (std::size_t copy = 0; copy < copies; ++copy) {
    of_prefix.emplace_back(space, prefix_plan.shape());
    of_own.emplace_back(space, shape);
  }
  const double keys =
      static_cast<double>(shape.kv_heads) * static_cast<double>(prefix.shape.length + shape.batch * shape.length);
  return measure_steps(space, copies, keys, out, statistics, repeats, [&](std::size_t copy, Run options, bool count) {
    options.state = of_prefix[copy];
    prefix_plan.run_shared(space, query, prefix.cache(copy), sharers, states, 0, options);
    options.state = of_own[copy];
    options.stream = 1;
    plan.run_partial(space, query, own.cache(copy), states, 1, options);
    santa::MergeOptions<Memory> merging;
    if (count) merging.statistics = statistics;
    merge(space, states, out, merging);
  });
}

void run_prefix(const Space& space, const Options& options, Report& report) {
  constexpr std::int64_t requests = 16;
  const std::int64_t shared = 32768 / options.divide, mine = 1024 / options.divide;
  const santa::Shape own_shape{requests, 32, 8, mine, 128};
  const Caches<Space> prefix(space, {1, 32, 8, shared, 128}, options.sharpness, rotation());
  const Caches<Space> own(space, own_shape, options.sharpness, rotation());
  {
    const Caches<Space> whole(space, {requests, 32, 8, shared + mine, 128}, options.sharpness, 0, 1);
    const auto cache = [&](std::size_t copy) { return whole.cache(copy); };
    const Measured apart =
        measure_plan(space, santa::Exact{}, by_tokens(whole, 1), whole.copies(), cache, options.repeats);
    report.set_ceiling(whole.shape, ceiling_of(space, whole.copies(), whole.bytes(), options.repeats,
                                               [&](std::size_t copy) { return whole.data(copy); }));
    report.add(whole.shape, "exact-apart", {}, apart, 1., 0., {});
  }
  report.set_ceiling(own_shape, ceiling_of(space, prefix.copies(), prefix.bytes(), options.repeats,
                                           [&](std::size_t copy) { return prefix.data(copy); }));
  add_methods(space, own_shape, options, report,
              [&](const auto& method) { return measure_prefix(space, method, prefix, own, options.repeats); });
}

}  // namespace

void run_serving(const Space& space, const std::string& name, const Options& options, Report& report) {
  report.set_layout(santa::CacheLayout::token_major);
  const auto run = [&](const char* scenario, const auto& f) {
    if (!name.empty() && name != "all" && name != scenario) return;
    report.set_scenario(scenario);
    f(space, options, report);
    report.write();
  };
  run("tokens-4", run_tokens);
  run("paged-16", run_pages);
  run("prefix-16", run_prefix);
  report.set_scenario("");
}

}  // namespace santa_bench
