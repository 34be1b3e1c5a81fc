// The C++ of docs/decode.md.
#include "given.hpp"

#include <cstddef>

void steps(const Space& space, const View<float***>& query, const Rows& keys, const Rows& values,
           const Lengths& lengths, const View<float***>& out, std::uint32_t steps, int layer) {
  // [steps]
  // keys, values: Kokkos views [batch, length, kv_heads, dim] of santa::bfloat16, santa::half or float (or fp8, int8);
  // query, out:   Kokkos views [batch, heads, dim]; lengths: [batch], int32 or int64.
  santa::ContiguousCache cache{keys, values, lengths};  // or {keys, values, lengths, santa::CacheLayout::head_major}

  santa::DecodePlan plan{space, santa::MassUnit{.rows = santa::share(0.1)}, query, cache};
  santa::DecodeState<Memory> state{space, plan.shape()};  // what MassUnit carries from step to step

  for (std::uint32_t step = 0; step < steps; ++step)  // allocates nothing, fences nothing
    plan.run(space, query, cache, out, {.seed = 7, .step = step, .stream = layer, .state = state});
  // [/steps]
}

void outputs(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out) {
  const View<const float***> means;
  const santa::DecodePlan plan{space, santa::MassUnit{.rows = santa::share(0.1)}, query, cache};
  // [outputs]
  View<float**> lse("lse", 1, 32), bar("bar", 1, 32);        // [batch, heads]
  View<santa::Statistics**> statistics("statistics", 1, 8);  // [batch, kv_heads]
  plan.run(space, query, cache, out, {.lse = lse, .error = bar, .statistics = statistics, .center = means});
  // [/outputs]
  // [once]
  santa::decode(space, santa::Exact{}, query, cache, out);  // plan, validate, run, fence
  // [/once]
}

void aligned(const Space& space) {
  const std::size_t length = 32768, kv_heads = 8, dim = 128;
  // [aligned]
  const auto memory = santa::allocate_aligned<santa::bfloat16>(space, "keys", length * kv_heads * dim);
  const Kokkos::View<santa::bfloat16****, Kokkos::LayoutRight, Memory, Kokkos::MemoryUnmanaged> keys(
      memory.data(), 1, length, kv_heads, dim);
  // [/aligned]
  (void)keys;
}

void strided(const Space& space, const View<float***>& query, const View<float***>& out) {
  const std::size_t batch = 2, kv_heads = 8, length = 4096, dim = 128;
  const santa::Exact method;
  // [strided]
  // The default of a View on a device is LayoutLeft, whose last extent is not contiguous: name LayoutRight.
  using Block = Kokkos::View<santa::bfloat16****, Kokkos::LayoutRight, Memory>;
  const Block block("keys and values", 2 * batch, length, kv_heads, dim);

  // Any strides will do, as long as that of the last extent is 1.
  const auto all = Kokkos::ALL;
  const auto keys = Kokkos::subview(block, Kokkos::make_pair(std::size_t{0}, batch), all, all, all);
  const auto values = Kokkos::subview(block, Kokkos::make_pair(batch, 2 * batch), all, all, all);
  santa::decode(space, method, query, santa::ContiguousCache{keys, values}, out);
  // [/strided]
}

void modified(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out) {
  const santa::Exact method;
  // [window]
  santa::DecodePlan plan{space, method, query, cache, {}, santa::Window{4096}};
  // [/window]
  plan.run(space, query, cache, out);
}

void each_request(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out,
                  std::uint32_t step) {
  const santa::DecodePlan plan{space, santa::MassUnit{.rows = santa::share(0.1)}, query, cache};
  const santa::DecodeState<Memory> state{space, plan.shape()};
  // [requests]
  View<std::uint64_t*> seeds("seeds", 16);  // [batch]
  View<float*> budgets("budgets", 16);      // as `rows`: shares here; 1 or more makes a request exact
  plan.run(space, query, cache, out, {.seed = seeds, .step = step, .state = state, .budgets = budgets});
  // [/requests]
}

void memory_of_yours(const Space& space, const View<std::byte*>& byte_view) {
  const santa::Exact method;
  const santa::Shape shape{.batch = 16, .heads = 32, .kv_heads = 8, .length = 32768, .dim = 128};
  // [workspace]
  const std::size_t bytes = santa::workspace_bytes(space, method, shape, santa::cache_of<Cache>);
  santa::DecodePlan plan{space, method, shape, santa::cache_of<Cache>, {.workspace = byte_view}};  // allocates nothing
  // [/workspace]
  (void)bytes;
}

void kernels(const Space& space, const View<float***>& query, const Cache& cache) {
  // [kernels]
  santa::DecodePlan plan{space, santa::Exact{}, query, cache, {}, santa::Identity{}, santa::KernelSet<4, 128>{}};
  // [/kernels]
  (void)plan.describe();
}

void error_bars(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out,
                const View<const float***>& means) {
  // [error-bars]
  santa::DecodePlan plan{space, santa::MassUnit{.target_error = 0.05}, query, cache};  // 5 % of the output's norm
  santa::DecodeState<Memory> state{space, plan.shape()};
  View<float**> bars("bars", 1, 32);  // [batch, heads]: the error's estimated L2 norm
  plan.run(space, query, cache, out, {.seed = 7, .error = bars, .center = means, .state = state});
  // [/error-bars]
}
