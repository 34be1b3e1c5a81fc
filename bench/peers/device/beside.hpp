// One step of santa and of FlashInfer on the same numbers in the same memory: times, parts of the ceiling, errors.
#pragma once

#include "../../portability/cache.hpp"
#include "../../portability/measure.hpp"
#include "../../portability/read_ceiling.hpp"
#include "flashinfer.hpp"
#include "records.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace santa_bench {

using Space = Kokkos::Cuda;
using Memory = Space::memory_space;
using Queries =
    Kokkos::View<const santa::bfloat16****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

inline constexpr std::size_t rotation = std::size_t{512} << 20U;  // what the copies of a cache have together, at least

/// What is compared. Bytes are those of one copy; values lie in its second half.
struct Problem {
  std::string name;
  int draw = 0;                                          // of the lengths of a batch
  double keys = 0.;                                      // of all requests
  double key_bytes = 8 * 128 * sizeof(santa::bfloat16);  // of a key in all kv heads
  float value_scale = 1.F;
  std::size_t copies = 2;  // of the cache
  std::size_t layers = 2;  // steps that are timed together
  std::size_t bytes = 0;
  bool scheduled = false;  // layers share a schedule, whose kernel is timed with them
  PagedStep paged;
};

/// Pages of requests of these lengths, one after the other in storage for `storage` keys each.
inline PagedStep pages_in_order(const std::vector<std::int32_t>& lengths, std::int64_t storage,
                                std::int32_t page_size) {
  PagedStep step;
  step.batch = static_cast<std::int32_t>(lengths.size());
  step.page_size = page_size;
  const auto pages = static_cast<std::int32_t>(storage / page_size);
  step.indptr = {0};
  for (std::int32_t request = 0; request < step.batch; ++request) {
    const std::int32_t length = lengths[static_cast<std::size_t>(request)];
    for (std::int32_t page = 0; page * page_size < length; ++page) step.indices.push_back(request * pages + page);
    step.indptr.push_back(static_cast<std::int32_t>(step.indices.size()));
    step.last_page_keys.push_back((length - 1) % page_size + 1);
  }
  return step;
}

/// The queries of caches made for tokens * heads heads, by tokens.
inline Queries by_tokens(const Caches<Space>& caches, std::int64_t tokens) {
  const auto size = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const santa::Shape& s = caches.shape;
  return Queries(caches.query.data(), size(s.batch), size(tokens), size(s.heads / tokens), size(s.dim));
}

/// A method of the library's.
template <class Method, class CacheOf>
Measured measure_own(const Space& space, const Method& method, const Queries& query, const Problem& problem,
                     const CacheOf& cache_of, int repeats) {
  const santa::DecodePlan plan(space, method, query, cache_of(0));
  const santa::Shape& shape = plan.shape();
  const auto size = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Kokkos::View<float****, Kokkos::LayoutRight, Memory> out("out", size(shape.batch), size(shape.tokens),
                                                                 size(shape.heads), size(shape.dim));
  const Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", size(shape.batch),
                                                                                  size(shape.kv_heads));
  const santa::Schedule<Memory> schedule(space, shape);
  std::vector<santa::DecodeState<Memory>> states;
  for (std::size_t copy = 0; copy < problem.copies; ++copy) states.emplace_back(space, shape);
  Measured result = time_steps(
      space, problem.copies, problem.layers, repeats, [&](std::size_t layer, std::uint32_t step, bool count) {
        const std::size_t copy = layer % problem.copies;
        santa::RunOptions<Memory> options{.seed = run_seed, .step = step, .state = states[copy]};
        if (problem.scheduled) {
          if (layer == 0) schedule.update(space, cache_of(0));
          options.schedule = schedule;
        }
        if (count) options.statistics = statistics;
        plan.run(space, query, cache_of(copy), out, options);
      });
  result.rows_fraction = rows_of(statistics) / (problem.keys * static_cast<double>(shape.kv_heads));
  result.out = outputs_of(out);
  return result;
}

/// One of FlashInfer's kernels.
template <class DataOf>
Measured measure_flashinfer(const Space& space, const FlashInferPath path, const Queries& query, const Problem& problem,
                            const DataOf& data_of, int repeats) {
  const FlashInfer step(problem.paged, path, space.cuda_stream());
  const Kokkos::View<santa::bfloat16*, Memory> out("out", query.size());
  Measured result = time_copies(space, problem.layers, repeats, [&](std::size_t layer) {
    const std::byte* keys = data_of(layer % problem.copies);
    step.run(query.data(), keys, keys + problem.bytes / 2, out.data());
  });
  result.rows_fraction = 1.;
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, out);
  for (std::size_t i = 0; i < host.size(); ++i) result.out.push_back(problem.value_scale * static_cast<float>(host(i)));
  return result;
}

/// Exact, MassUnit and FlashInfer, each in turn. cache_of(copy): santa's cache; data_of(copy): where it lies.
template <class CacheOf, class DataOf>
void compare(const Space& space, const Queries& query, const Problem& problem, const CacheOf& cache_of,
             const DataOf& data_of, Records& records) {
  const int repeats = records.repeats;
  const double half = problem.keys * problem.key_bytes;  // bytes of the keys, or of the values
  const std::size_t some = std::min(problem.bytes, static_cast<std::size_t>(2. * half) / 4096 * 4096);
  const double ceiling = ceiling_of_batch(space, problem.copies, some, problem.bytes,
                                          static_cast<std::size_t>(problem.paged.batch), repeats, data_of)
                             .gb_s;
  const Measured exact = measure_own(space, santa::Exact{}, query, problem, cache_of, repeats);
  const auto add = [&](const char* program, const Measured& measured) {
    records.add({.problem = problem.name,
                 .draw = problem.draw,
                 .program = program,
                 .microseconds = measured.microseconds(),
                 .bytes = half * (1. + std::min(1., measured.rows_fraction)),
                 .ceiling_gb_s = ceiling,
                 .error = relative_error(measured.out, exact.out)});
  };
  add("santa Exact", exact);
  add("santa MassUnit 10 %",
      measure_own(space, santa::MassUnit{.rows = santa::share(0.1)}, query, problem, cache_of, repeats));
  if (problem.paged.tokens == 1)
    add("FlashInfer, cores", measure_flashinfer(space, FlashInferPath::cores, query, problem, data_of, repeats));
  add("FlashInfer, tensor cores",
      measure_flashinfer(space, FlashInferPath::tensor_cores, query, problem, data_of, repeats));
}

}  // namespace santa_bench
