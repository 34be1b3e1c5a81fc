// The query rows of a request: its query heads, of one token or of several.
#pragma once

#include <santa/core/divisor.hpp>
#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Requests that share what a plan calls a request: the tokens of that are the tokens of them all.
struct SharedRequests {
  const std::int32_t* begin = nullptr;  // [shared + 1]: those of b are begin[b] to begin[b + 1] - 1; null: b is its own
  std::int32_t all = 0;                 // requests
  Divisor tokens;                       // of each

  [[nodiscard]] KOKKOS_FUNCTION bool given() const { return begin != nullptr; }
  /// The first that shares b, or one beyond the last of b - 1; clamped to what can be.
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t first(std::int32_t b) const {
    return begin[b] < 0 ? 0 : (begin[b] > all ? all : begin[b]);
  }
  /// Tokens of all that share b.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t count(std::int32_t b) const {
    const std::int32_t sharing = first(b + 1) - first(b);
    return sharing > 0 ? std::int64_t{sharing} * tokens : 0;
  }
};

/// The first of the last `window` keys before key `after`. That may be negative, of a request with fewer keys than
/// tokens: no difference with every_key may overflow, even where it is not used, as devices compare by it.
KOKKOS_INLINE_FUNCTION std::int64_t first_in_window(std::int64_t after, std::int64_t window) {
  const std::int64_t keys = after > 0 ? after : 0;
  return keys > window ? keys - window : 0;
}

/// Kernels know rows alone, and call them heads: those of a kv head lie side by side, its query heads of the first
/// token, then those of the next. So one reading of a key or value row serves them all.
struct TokenRows {
  /// Of which token and query head a row is.
  struct Place {
    std::int32_t token, head;
  };
  /// The keys that a token sees, but for what a tree hides, and where its query stands among them.
  struct Keys {
    std::int64_t begin, end, position;
  };

  std::int32_t tokens = 1;
  bool causal = true;                    // the tokens' own keys are the last ones; else each token sees all keys
  Divisor group;                         // query heads of a kv head
  const std::int32_t* counts = nullptr;  // [batch]: tokens of a request; null: all have `tokens`
  const std::uint32_t* trees = nullptr;  // [batch][tokens]: bit i says whether the token sees token i; null: a chain
  std::int64_t tree_stride[2] = {0, 0};
  SharedRequests shared;

  /// Whether some rows of a request may not see all of its visible keys. Of one token, a tree alone can hide its own.
  [[nodiscard]] KOKKOS_FUNCTION bool differ() const { return tokens > 1 || trees != nullptr; }

  [[nodiscard]] KOKKOS_FUNCTION Place place(std::int32_t kv_head, std::int32_t row) const {
    if (tokens == 1) return {0, row};
    const auto own = static_cast<std::uint32_t>(row - kv_head * group * tokens);
    const auto token = static_cast<std::int32_t>(group.quotient(own));
    return {token, kv_head * group + static_cast<std::int32_t>(own) - token * group};
  }

  /// Tokens of a request, clamped to what can be.
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t count(std::int32_t request) const {
    if (counts == nullptr && !shared.given()) return tokens;
    const std::int64_t given = shared.given() ? shared.count(request) : counts[request];
    return given < 0 ? 0 : (given > tokens ? tokens : static_cast<std::int32_t>(given));
  }

  /// Of a request of `count` tokens and `length` keys; nothing for a token beyond its last.
  [[nodiscard]] KOKKOS_FUNCTION Keys keys(std::int32_t token, std::int32_t count, std::int64_t length,
                                          std::int64_t window) const {
    if (token >= count) return {0, 0, 0};
    const std::int64_t after = causal ? length - count + token + 1 : length;
    return {first_in_window(after, window), trees != nullptr ? length : after, after - 1};
  }

  /// The first key that any row of a request sees, of a kv head's rows from the `row`-th on; `length` if none sees any.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t first_visible(std::int32_t request, std::int32_t row, std::int64_t length,
                                                           std::int64_t window) const {
    const std::int32_t count = this->count(request);
    if (tokens == 1) return count == 0 ? length : first_in_window(length, window);
    const auto token = static_cast<std::int32_t>(group.quotient(static_cast<std::uint32_t>(row)));
    const std::int64_t after = causal ? length - count + token + 1 : length;
    return token >= count ? length : first_in_window(after, window);
  }

  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t tree(std::int32_t request, std::int32_t token) const {
    return trees[request * tree_stride[0] + token * tree_stride[1]];
  }
};

/// Tokens of which a tree says what they see, at most.
inline constexpr int tree_tokens = 32;

}  // namespace santa::detail
