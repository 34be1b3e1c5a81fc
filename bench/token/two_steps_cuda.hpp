// Sampling in two steps on a CUDA device, to compare with: cuBLAS writes the logits, a kernel draws from them.
#pragma once

#include <santa/random/stream_key.hpp>
#include <santa/token/gumbel.hpp>
#include <santa/token/token_kernel.hpp>

#include <Kokkos_Core.hpp>

#include <cublas_v2.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace santa_bench {

/// bf16 weights and hidden states, logits in float, and the same noise as the fused sampler's.
class TwoSteps {
  using Space = Kokkos::Cuda;
  using Policy = Kokkos::TeamPolicy<Space>;
  using Best = Kokkos::MaxLoc<float, std::int32_t>::value_type;

 public:
  TwoSteps(const Space& space, std::size_t batch, std::size_t vocab, std::size_t dim)
      : _dim(static_cast<int>(dim)),
        _parts((vocab + part_rows - 1) / part_rows),
        _logits("logits", batch, vocab),
        _best("best", batch, _parts),
        _workspace("workspace", std::size_t{32} << 20) {
    check(cublasCreate(&_blas));
    check(cublasSetStream(_blas, space.cuda_stream()));
    check(cublasSetWorkspace(_blas, _workspace.data(), _workspace.size()));
  }
  TwoSteps(const TwoSteps&) = delete;
  TwoSteps& operator=(const TwoSteps&) = delete;
  ~TwoSteps() { cublasDestroy(_blas); }

  template <class Hidden, class Weights, class Tokens>
  void run(const Space& space, const Hidden& hidden, const Weights& weights, const Tokens& tokens,
           const santa::StreamKey& key) const {
    const auto batch = static_cast<int>(_logits.extent(0));
    const auto vocab = static_cast<int>(_logits.extent(1));
    const float one = 1.F;
    const float zero = 0.F;
    // Column-major: logits^T [vocab, batch] = weights [vocab, dim] hidden^T.
    check(cublasGemmEx(_blas, CUBLAS_OP_T, CUBLAS_OP_N, vocab, batch, _dim, &one, weights.data(), CUDA_R_16BF, _dim,
                       hidden.data(), CUDA_R_16BF, _dim, &zero, _logits.data(), CUDA_R_32F, vocab, CUBLAS_COMPUTE_32F,
                       CUBLAS_GEMM_DEFAULT));
    draw(space, tokens, key);
  }

  /// Public, as lambdas for a device must be in a function of known name.
  template <class Tokens>
  void draw(const Space& space, const Tokens& tokens, const santa::StreamKey& key) const {
    const auto logits = _logits;
    const auto best = _best;
    const auto parts = static_cast<int>(_parts);
    const auto batch = static_cast<int>(logits.extent(0));
    Kokkos::parallel_for(
        "santa::bench::draw", Policy(space, batch * parts, 256), KOKKOS_LAMBDA(const Policy::member_type& team) {
          santa::StreamKey own = key;
          const int b = team.league_rank() / parts;
          own.request = static_cast<std::uint32_t>(b);
          const auto begin = static_cast<std::int32_t>(team.league_rank() % parts * part_rows);
          const auto vocab = static_cast<std::int32_t>(logits.extent(1));
          const std::int32_t end = begin + part_rows < vocab ? begin + part_rows : vocab;
          Best found;
          Kokkos::parallel_reduce(
              Kokkos::TeamThreadRange(team, begin, end),
              [&](const std::int32_t row, Best& most) {
                const auto random = own.draw(santa::detail::token_head, static_cast<std::uint32_t>(row));
                const float score = logits(b, row) + santa::gumbel(random.word[0], random.word[1]);
                if (score > most.val) most = {score, row};
              },
              Kokkos::MaxLoc<float, std::int32_t>(found));
          Kokkos::single(Kokkos::PerTeam(team), [&] { best(b, team.league_rank() % parts) = found; });
        });
    Kokkos::parallel_for(
        "santa::bench::merge", Policy(space, batch, 32), KOKKOS_LAMBDA(const Policy::member_type& team) {
          const int b = team.league_rank();
          Best found;
          Kokkos::parallel_reduce(
              Kokkos::TeamThreadRange(team, parts),
              [&](const int part, Best& most) {
                if (best(b, part).val > most.val) most = best(b, part);
              },
              Kokkos::MaxLoc<float, std::int32_t>(found));
          Kokkos::single(Kokkos::PerTeam(team), [&] { tokens(b) = found.loc; });
        });
  }

 private:
  static constexpr std::int32_t part_rows = 2048;

  static void check(cublasStatus_t status) {
    if (status != CUBLAS_STATUS_SUCCESS) throw std::runtime_error(cublasGetStatusString(status));
  }

  int _dim;
  std::size_t _parts;
  Kokkos::View<float**, Kokkos::LayoutRight, Space::memory_space> _logits;
  Kokkos::View<Best**, Kokkos::LayoutRight, Space::memory_space> _best;
  Kokkos::View<std::byte*, Space::memory_space> _workspace;
  cublasHandle_t _blas = nullptr;
};

}  // namespace santa_bench
