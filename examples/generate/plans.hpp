// The plans of a model's layers: layers with the same method share one, as they run one after the other.
#pragma once

#include "generate/cache.hpp"
#include "generate/views.hpp"
#include <santa/decode/options.hpp>
#include <santa/sample/mass_unit.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace santa::example {

using QueryRows = Kokkos::View<const float***, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
using OutRows = Kokkos::View<float***, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
using TextCache = ContiguousCache<KvCache::Rows>;
using SharedCache = ContiguousCache<KvCache::Rows, KvCache::Rows, KvCache::Lengths>;

/// Plans for texts of up to so many tokens.
class Plans {
 public:
  /// `chunk`: tokens of a prompt that attend at once.
  Plans(const Settings& settings, std::int64_t capacity, std::int64_t chunk);
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;
  ~Plans();

  /// One token of a text, by MassUnit or, without a method, exactly.
  void run(const Space& space, const std::optional<MassUnit>& method, const QueryRows& query, const TextCache& cache,
           const OutRows& out, const RunOptions<Memory>& options);
  /// Some tokens of a text in one layer, each with a length of its own, exactly.
  void run_prompt(const Space& space, std::int64_t layer, const QueryRows& query, const SharedCache& cache,
                  const OutRows& out);

  /// The shape of a state for one text.
  [[nodiscard]] Shape shape() const { return _shape; }

 private:
  struct Token;
  struct Prompt;
  Shape _shape;
  Windows _windows;
  std::unique_ptr<Token> _token;
  std::unique_ptr<Prompt> _prompt;
};

}  // namespace santa::example
