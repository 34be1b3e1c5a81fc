// The C++ of docs/ranks.md.
// [headers]
#include <santa/ranks/mpi.hpp>  // or ranks/nccl.hpp, ranks/one_process.hpp: not in santa.hpp
#include <santa/santa.hpp>
// [/headers]
#include "given.hpp"

void decoded(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out,
             std::int64_t first_row, std::int64_t length, const Lengths& whole_lengths, std::uint32_t step) {
  const santa::Exact method;
  const View<float**> lse, bar;
  // [plan]
  const santa::MpiRanks ranks(MPI_COMM_WORLD);  // a duplicate of it: no message of yours is in the way

  // This rank's cache holds tokens first_row and on of each request; the whole has room for `length` of them.
  santa::DecodePlan own{space, method, query, cache, {.shard = {.first_row = first_row, .length = length}}};
  santa::ShardedPlan plan{space, ranks, own};            // on all ranks: sees that their shards follow each other
  santa::DecodeState<Memory> state{space, own.shape()};  // of the whole; every rank has a copy

  plan.run(space, ranks, query, cache, out, {.seed = 7, .step = step, .lse = lse, .error = bar, .state = state},
           whole_lengths);
  // [/plan]
}

void drawn_rows(const Space& space, const santa::MpiRanks& ranks, const View<float**>& log_weights,
                const santa::DrawnRows<Memory>& drawn, const View<float**>& matrix, const View<float**>& sum,
                std::int64_t batch, std::int64_t rows, std::int64_t dim, std::int64_t first_row,
                std::int64_t all_rows) {
  const View<float*> log_sum;
  const View<const float**> center;
  const View<float**> bars;
  // [rows]
  const santa::DrawPlan own(space, santa::MassUnit{.rows = santa::share(0.05)}, batch, rows,
                            santa::Shard{.first_row = first_row, .length = all_rows});
  const santa::ShardedDraw draw(space, ranks, own);
  draw.run(space, ranks, log_weights, drawn, {.seed = 7, .log_sum = log_sum});  // this rank's rows of the whole's draw
  const santa::RankSums<Space> sums(space, ranks, batch, dim);
  sums.run(space, ranks, drawn, matrix, sum, {.center = center, .error = bars});  // over all ranks
  // [/rows]
}
