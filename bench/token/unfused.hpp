// Sampling in two steps, to compare with: logits are written to memory, then read again.
#pragma once

#include <santa/lanes/host_dots.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/random/stream_key.hpp>
#include <santa/token/gumbel.hpp>
#include <santa/token/token_kernel.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace santa_bench {

/// The same products and the same noise as the fused sampler, hence the same tokens; what differs is where the logits
/// go.
template <class Space, class T>
class UnfusedSampler {
  using Group = santa::lanes::HostGroup;
  using Dots = santa::lanes::HostDots<T>;
  using Vector = Group::Vector<float>;

 public:
  UnfusedSampler(std::size_t batch, std::size_t vocab, std::size_t dim)
      : _vectors("vectors", batch * ((dim + 31) / 32 * 32)),
        _logits("logits", batch, vocab),
        _score("score", batch, parts(vocab)),
        _row("row", batch, parts(vocab)) {}

  template <class Hidden, class Weights, class Tokens>
  void run(const Space& space, const Hidden& hidden, const Weights& weights, const Tokens& tokens,
           const santa::StreamKey& key) const {
    score(space, hidden, weights);
    sample(space, tokens, key);
  }

 private:
  static constexpr std::int64_t part_rows = 512;
  static std::size_t parts(std::size_t vocab) { return (vocab + part_rows - 1) / part_rows; }
  using Policy = Kokkos::RangePolicy<Space, Kokkos::Schedule<Kokkos::Dynamic>>;

  template <class Hidden, class Weights>
  void score(const Space& space, const Hidden& hidden, const Weights& weights) const {
    const auto dim = static_cast<int>(hidden.extent(1));
    const auto batch = static_cast<int>(hidden.extent(0));
    const auto vocab = static_cast<std::int64_t>(weights.extent(0));
    for (int b = 0; b < batch; ++b)
      for (int piece = 0; piece * Dots::piece_features < dim; ++piece)
        Dots::arrange({hidden.data(), santa::ElementType::float32}, std::int64_t{b} * dim, dim, piece, 1.F, false, b,
                      _vectors.data());
    Kokkos::parallel_for(
        "santa::bench::logits", Policy(space, 0, parts(weights.extent(0)), Kokkos::ChunkSize(1)),
        [=, this](std::size_t part) {
          const Dots dots({}, _vectors.data(), nullptr, batch, dim, false);
          const auto begin = static_cast<std::int64_t>(part) * part_rows;
          const std::int64_t end = std::min(begin + part_rows, vocab);
          for (std::int64_t first = begin; first < end; first += Group::size) {
            const int rows = static_cast<int>(std::min<std::int64_t>(Group::size, end - first));
            dots.products(weights.data() + first * dim, dim, rows, [&](int b, const Vector& logits) {
              Group::store(logits, &_logits(static_cast<std::size_t>(b), static_cast<std::size_t>(first)), rows);
            });
          }
        });
  }

  template <class Tokens>
  void sample(const Space& space, const Tokens& tokens, const santa::StreamKey& key) const {
    const std::size_t batch = _logits.extent(0);
    const std::size_t all = parts(_logits.extent(1));
    Kokkos::parallel_for("santa::bench::sample", Policy(space, 0, batch * all),
                         [=, this](std::size_t i) { sample_part(key, i / all, i % all); });
    Kokkos::parallel_for("santa::bench::merge", Policy(space, 0, batch), [=, this](std::size_t b) {
      std::size_t best = 0;
      for (std::size_t part = 1; part < all; ++part)
        if (_score(b, part) > _score(b, best)) best = part;
      tokens(b) = _row(b, best);
    });
  }

  void sample_part(santa::StreamKey key, std::size_t b, std::size_t part) const {
    using Words = Group::Vector<std::uint32_t>;
    key.request = static_cast<std::uint32_t>(b);
    const auto begin = static_cast<std::int64_t>(part) * part_rows;
    const std::int64_t end = std::min(begin + part_rows, static_cast<std::int64_t>(_logits.extent(1)));
    Vector best = -santa::lanes::infinity;
    Group::Vector<std::int32_t> where = 0;
    for (std::int64_t first = begin; first < end; first += Group::size) {
      const auto rows = Group::lane() + Group::Vector<std::int32_t>(static_cast<std::int32_t>(first));
      const Vector logits = Group::load(&_logits(b, static_cast<std::size_t>(first)), static_cast<int>(end - first),
                                        -santa::lanes::infinity);
      Words random[4];
      key.draw(santa::detail::token_head, santa::lanes::convert<std::uint32_t>(rows), random);
      const Vector score = logits + santa::gumbel(random[0], random[1]);
      const auto better = score > best;
      best = santa::lanes::select(better, score, best);
      where = santa::lanes::select(better, rows, where);
    }
    _score(b, part) = Group::max(best);
    const std::uint32_t lanes = Group::ballot(best >= Vector(_score(b, part)));
    _row(b, part) = Group::value_of(where, __builtin_ctz(lanes));
  }

  Kokkos::View<float*, Kokkos::HostSpace> _vectors;
  Kokkos::View<float**, Kokkos::LayoutRight, Kokkos::HostSpace> _logits, _score;
  Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Kokkos::HostSpace> _row;
};

}  // namespace santa_bench
