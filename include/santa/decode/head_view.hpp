// Numbers of query heads that a run writes.
#pragma once

#include <santa/core/check.hpp>
#include <santa/core/matrix.hpp>
#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace santa {

/// A view of a number for each query head: float, [batch, heads], or of a step of several tokens [batch, tokens,
/// heads]. Of any layout; none by default.
template <class MemorySpace>
class HeadView {
 public:
  using Heads = Kokkos::View<float**, Kokkos::LayoutStride, MemorySpace>;
  using Tokens = Kokkos::View<float***, Kokkos::LayoutStride, MemorySpace>;

  HeadView() = default;
  template <class View>
    requires Kokkos::is_view_v<View> HeadView(const View& view) {  // NOLINT(google-explicit-constructor)
      static_assert(std::same_as<typename View::value_type, float> && (View::rank() == 2 || View::rank() == 3),
                    "santa: a view for query heads must hold float and have rank 2 or 3: [batch, heads] or [batch, "
                    "tokens, heads]");
      if constexpr (View::rank() == 2)
        _heads = view;
      else
        _tokens = view;
    }

  /// Whether it is [batch, tokens, heads].
  [[nodiscard]] bool of_tokens() const { return _tokens.data() != nullptr; }
  [[nodiscard]] float* data() const { return of_tokens() ? _tokens.data() : _heads.data(); }
  /// For checks: extents and strides, by the name that errors have.
  [[nodiscard]] detail::Array array(std::string_view name) const {
    return of_tokens() ? detail::array_of(name, _tokens) : detail::array_of(name, _heads);
  }

 private:
  Heads _heads;
  Tokens _tokens;
};

namespace detail::inline SANTA_BUILD {

/// Checks a view of rank 2 or 3 without features against a step of `batch` requests of a plan's heads; of rank 2 where
/// there is one token. Returns the strides of requests, tokens and heads.
inline HeadNumbers bind_head_numbers(const Array& view, float* data, std::int64_t batch, const Shape& plan) {
  if (view.extent[0] < batch)
    reject_extent(view, 0, ".extent(", view.extent[0], "the batch (" + std::to_string(batch) + ") or more");
  const bool of_tokens = view.rank == 3;
  if (of_tokens)
    require_extent(view, 1, plan.tokens, "the plan's tokens");
  else
    require(plan.tokens == 1, std::string(view.name) + "'s rank", view.rank,
            {"3, [batch, tokens, heads]: the plan is for ", plan.tokens, " tokens"});
  require_extent(view, view.rank - 1, plan.heads, "the plan's heads");
  return {data, {view.stride[0], of_tokens ? view.stride[1] : 0, view.stride[view.rank - 1]}};
}
template <class MemorySpace>
HeadNumbers bind_head_numbers(std::string_view name, const HeadView<MemorySpace>& view, std::int64_t batch,
                              const Shape& plan) {
  if (view.data() == nullptr) return {};
  return bind_head_numbers(view.array(name), view.data(), batch, plan);
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
