// Checks of views that token kernels write, and what kernels see of them.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/token/token_options.hpp>
#include <santa/token/token_state.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

inline void require_same_extent(const std::string& name, std::size_t given, const char* what, std::int64_t expected) {
  require(static_cast<std::int64_t>(given) == expected, name, static_cast<std::int64_t>(given),
          std::string(what) + " (" + std::to_string(expected) + ")");
}

/// Tokens of one part, or [part, request].
template <class Space, class View>
TokenMatrix bind_tokens(const std::string& name, const View& tokens, std::int64_t batch) {
  static_assert(Kokkos::is_view_v<View>, "santa: tokens must be a Kokkos view");
  using Token = typename View::non_const_value_type;
  static_assert(std::is_same_v<Token, std::int32_t> || std::is_same_v<Token, std::int64_t>,
                "santa: tokens must be std::int32_t or std::int64_t");
  static_assert(Kokkos::SpaceAccessibility<Space, typename View::memory_space>::accessible,
                "santa: tokens must be accessible from the execution space");
  constexpr std::size_t last = View::rank() - 1;
  require_same_extent(name + ".extent(" + std::to_string(last) + ")", tokens.extent(last), "the batch", batch);
  if (has_elements(tokens)) require_pointer(tokens.data(), name + ".data()");
  const auto stride = [&](std::size_t i) { return static_cast<std::int64_t>(tokens.stride(i)); };
  return {const_cast<Token*>(tokens.data()), {last == 1 ? stride(0) : 0, stride(last)}, sizeof(Token) == 8};
}

/// Scores and the like of one part, or [part, request]; absent if without data.
template <class View>
Matrix<float> bind_scores(const std::string& name, const View& scores, std::int64_t parts, std::int64_t batch) {
  constexpr std::size_t last = View::rank() - 1;
  if (scores.data() == nullptr) return {};
  if (last == 1) require_same_extent(name + ".extent(0)", scores.extent(0), "the shards", parts);
  require_same_extent(name + ".extent(" + std::to_string(last) + ")", scores.extent(last), "the batch", batch);
  const auto stride = [&](std::size_t i) { return static_cast<std::int64_t>(scores.stride(i)); };
  return {const_cast<float*>(scores.data()), {last == 1 ? stride(0) : 0, stride(last)}};
}

/// Where a step's tokens and results go.
template <class Space, class Tokens>
TokenArrays bind_results(const Tokens& tokens, const TokenResults<typename Space::memory_space>& results,
                         std::int64_t batch) {
  static_assert(!std::is_const_v<typename Tokens::value_type>, "santa: tokens must not be const");
  static_assert(Tokens::rank() == 1, "santa: tokens must have rank 1: [batch]");
  return {bind_tokens<Space>("tokens", tokens, batch), bind_scores("results.score", results.score, 1, batch),
          bind_scores("results.logit", results.logit, 1, batch), bind_scores("results.lse", results.lse, 1, batch)};
}

}  // namespace santa::detail::inline SANTA_BUILD
