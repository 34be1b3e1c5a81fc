// The kernels of the token sampler: vectors arranged for the products, and the best row of each part of the vocabulary.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/group.hpp>
#include <santa/token/gumbel.hpp>
#include <santa/token/token_state.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What kernels of one step are given.
struct TokenArguments {
  AnyInput hidden;
  std::int64_t hidden_stride = 0;
  std::int32_t batch = 0, dim = 0;
  std::int64_t vocab = 0, row_stride = 0;
  std::int64_t first_row = 0;
  std::int64_t part_rows = 0;  // of each part of the vocabulary
  std::int32_t parts = 0;
  bool exact = false;  // hidden is of the weights' type
  bool with_lse = false;
  float temperature = 1.F;
  Chance chance;
  float* vectors = nullptr;  // [batch, padded][dim, padded], arranged for the products
  float* factors = nullptr;  // [batch, padded]: what arranged vectors were divided by
  TokenArrays best;          // of parts

  [[nodiscard]] KOKKOS_FUNCTION std::int32_t padded_dim() const { return (dim + 31) / 32 * 32; }
};

/// The head index of random numbers that are tokens': beyond that of any query head.
inline constexpr std::uint16_t token_head = 0xffff;

/// What the kernels have in common. As many requests as a group works on together are a slice.
template <class ExecutionSpace, class T, class KernelExtents>
struct TokenContext {
  using Space = ExecutionSpace;
  using Extents = KernelExtents;
  using Group = lanes::GroupOf<Space, Extents>;
  using Dots = lanes::DotsOf<Space, T, Extents>;

  TokenArguments arguments;
  const T* weights;

  [[nodiscard]] KOKKOS_FUNCTION float* vectors_of(std::int32_t slice) const {
    return arguments.vectors + std::int64_t{slice} * Extents::heads * arguments.padded_dim();
  }
};

/// Arranges the hidden vectors, a team's work is one of them. Reads and writes all of them.
template <class Context>
struct ArrangeKernel : Context {
  using typename Context::Dots;
  using typename Context::Extents;
  using typename Context::Group;

  [[nodiscard]] std::int64_t units() const { return this->arguments.batch; }
  static constexpr std::size_t scratch_floats() { return 0; }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    constexpr int groups = Group::groups_per_team;
    const TokenArguments& a = this->arguments;
    const Group group(member);
    const auto request = static_cast<std::int32_t>(member.league_rank());
    const std::int64_t offset = request * a.hidden_stride;
    float factor = 1.F;
    if constexpr (Dots::scaled)
      if (!a.exact) factor = taming_factor(group, offset);
    if (group.rank() == 0) group.single([&] { a.factors[request] = 1.F / factor; });
    float* const vectors = this->vectors_of(request / Extents::heads);
    const int pieces = a.padded_dim() / Dots::piece_features;
    group.for_each((pieces - group.rank() + groups - 1) / groups, [&](int i) {
      Dots::arrange(a.hidden, offset, a.dim, i * groups + group.rank(), factor, a.exact, request % Extents::heads,
                    vectors);
    });
  }

 private:
  /// A power of two that brings the largest feature near 1: narrow types then hold all of them.
  KOKKOS_FUNCTION float taming_factor(const Group& group, std::int64_t offset) const {
    float largest = 0.F;
    for (int d = group.lane(); d < this->arguments.dim; d += Group::size) {
      float x = 0.F;
      this->arguments.hidden.read(offset + d, 1, &x);
      x = Kokkos::fabs(x);
      largest = x > largest && x < lanes::infinity ? x : largest;
    }
    largest = group.max(largest);
    const float exponent = largest > 0.F ? Kokkos::floor(lanes::log2(largest)) : 0.F;
    return lanes::exp2(exponent > 100.F ? -100.F : exponent < -100.F ? 100.F : -exponent);
  }
};

/// Scores a part of the vocabulary for the requests of a slice, tile by tile, and keeps the best row of each.
/// Reads: the part's rows once; the slice's vectors once a tile, from the caches.
template <class Context>
struct TokenKernel : Context {
  using typename Context::Dots;
  using typename Context::Extents;
  using typename Context::Group;
  template <class T>
  using Vector = typename Group::template Vector<T>;
  static constexpr int most = Extents::heads;

  [[nodiscard]] std::int64_t units() const {
    return std::int64_t{this->arguments.parts} * ((this->arguments.batch + most - 1) / most);
  }
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats() {
    return Group::groups_per_team * (Dots::scratch_floats + most * sizeof(TokenState) / sizeof(float));
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    constexpr int groups = Group::groups_per_team;
    const TokenArguments& a = this->arguments;
    const Group group(member);
    float* const scratch = group.template scratch<float>(member, scratch_floats());
    auto* const states = reinterpret_cast<TokenState*>(scratch + groups * Dots::scratch_floats);
    const std::int32_t slice = member.league_rank() / a.parts;
    const std::int32_t part = member.league_rank() % a.parts;
    const std::int32_t first_request = slice * most;
    const int count = a.batch - first_request < most ? a.batch - first_request : most;
    TokenState* const own = states + group.rank() * most;
    group.for_each(count, [&](int v) { own[v] = {}; });
    group.sync();
    const Dots dots(group, this->vectors_of(slice), scratch + group.rank() * Dots::scratch_floats, count, a.dim,
                    a.exact);
    const std::int64_t begin = part * a.part_rows;
    const std::int64_t end = begin + a.part_rows < a.vocab ? begin + a.part_rows : a.vocab;
    for (std::int64_t first = begin + group.rank() * Group::size; first < end; first += groups * Group::size) {
      const int rows = end - first < Group::size ? static_cast<int>(end - first) : Group::size;
      dots.products(
          this->weights + first * a.row_stride, a.row_stride, rows,
          [&](int v, const Vector<float>& products) { take(group, first, rows, first_request + v, products, own[v]); });
    }
    group.team_barrier();
    if (group.rank() == 0)
      group.for_each(count, [&](int v) {
        for (int other = 1; other < groups; ++other) states[v].merge(states[other * most + v]);
        states[v].store(a.best, part, first_request + v);
      });
  }

 private:
  /// A tile's rows for one request: noise on the logits, and the best of them if it is better than those before.
  KOKKOS_FUNCTION void take(const Group& group, std::int64_t first, int rows, std::int32_t request,
                            const Vector<float>& products, TokenState& state) const {
    const TokenArguments& a = this->arguments;
    const Vector<float> logits =
        lanes::select(group.lanes_between(0, rows), scaled(products, request), Vector<float>(-lanes::infinity));
    if (a.with_lse) add(group, logits, state);
    Vector<float> scores = logits;
    if (a.temperature > 0.F) {
      const auto row = lanes::convert<std::uint32_t>(group.lane()) +
                       Vector<std::uint32_t>(static_cast<std::uint32_t>(a.first_row + first));
      Vector<std::uint32_t> random[4];
      a.chance.key(request).draw(token_head, row, random);
      scores = lanes::fma(gumbel(random[0], random[1]), Vector<float>(a.temperature), logits);
    }
    const auto wrong = (logits != logits) | (logits >= Vector<float>(lanes::infinity));
    const auto better = scores > Vector<float>(state.score);  // an earlier row keeps its place
    if (!group.any(better | wrong)) return;
    const bool fails = group.any(wrong);
    const float largest = group.max(scores);
    const std::uint32_t bits = group.ballot(scores >= Vector<float>(largest));
    const int lane = bits != 0 ? Kokkos::countr_zero(bits) : 0;
    const float logit = group.value_of(logits, lane);
    group.sync();  // all lanes have read the state
    group.single([&] {
      state.score = fails ? lanes::not_a_number : largest;
      state.logit = logit;
      state.token = static_cast<std::int32_t>(a.first_row + first + lane);
    });
    group.sync();
  }

  [[nodiscard]] KOKKOS_FUNCTION Vector<float> scaled(const Vector<float>& products, std::int32_t request) const {
    if constexpr (Dots::scaled)
      return products * Vector<float>(this->arguments.factors[request]);
    else
      return products;
  }

  /// Adds a tile's logits to the sum.
  KOKKOS_FUNCTION void add(const Group& group, const Vector<float>& logits, TokenState& state) const {
    float reference = state.reference;
    float mass = state.mass;
    if (group.any(logits > Vector<float>(reference))) {
      const float largest = group.max(logits);
      mass *= TokenState::scale(reference, largest);
      reference = largest;
    }
    const Vector<float> exponents = (logits - Vector<float>(reference)) * Vector<float>(lanes::log2_of_e);
    mass += group.template sum<float>(lanes::exp2(exponents));
    group.sync();
    group.single([&] {
      state.reference = reference;
      state.mass = mass;
    });
    group.sync();
  }
};

/// Launches a kernel over its units, passed by value.
template <class Space, class Kernel>
void launch_tokens(const char* label, const Space& space, const Kernel& kernel) {
  static_assert(sizeof(Kernel) <= 512, "santa::launch_tokens: kernels must stay under 512 bytes");
  const auto policy =
      lanes::Seam<Space>::template policy<typename Kernel::Extents>(space, kernel.units(), Kernel::scratch_floats());
  Kokkos::parallel_for(
      label, Kokkos::Experimental::require(policy, Kokkos::Experimental::WorkItemProperty::HintLightWeight), kernel);
}

}  // namespace santa::detail::inline SANTA_BUILD
