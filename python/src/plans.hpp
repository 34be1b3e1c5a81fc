// Plans of any method and cache behind one type.
#pragma once

#include "arrays.hpp"
#include "methods.hpp"
#include "session.hpp"
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/decode/options.hpp>
#include <santa/lanes/math.hpp>
#include <santa/score/modifiers.hpp>

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

namespace santa::python {

/// Window, soft cap and linear biases as values: one type of modifier for all of them.
struct ScoreChange {
  std::int64_t size = every_key;
  float cap = 0.F;                // 0: none
  const float* slopes = nullptr;  // [heads]; null: none

  void check() const {
    Window{size}.check();
    if (cap != 0.F) SoftCap{cap}.check();
  }
  [[nodiscard]] std::int64_t window() const { return size; }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float apply(const Float& score, const ScoredKeys<Float>& keys) const {
    const Float capped = cap != 0.F ? SoftCap{cap}.apply(score) : score;
    return slopes != nullptr ? lanes::fma(keys.offset, Float(slopes[keys.head] * lanes::log2_of_e), capped) : capped;
  }

  [[nodiscard]] bool changes_nothing() const { return size == every_key && cap == 0.F && slopes == nullptr; }
};

/// A factor of scores as kernels have it. Errors: ValueError where it is 0 to them alone, which stands for another.
inline float scale_of(double given) {
  const auto scale = static_cast<float>(given);
  if (scale == 0.F && given != 0.)
    santa::detail::reject("scale", santa::detail::text_of(given), "0, or 2^-149 or more in magnitude");
  return scale;
}

/// What a plan is made from.
struct PlanRequest {
  GivenMethod method;
  Shape shape;
  PlanOptions options;
  ScoreChange modifier;
};

/// The arrays of a step. Query and out have the ranks that callers gave them: 3, or 4 with tokens.
struct Step {
  const Array& query;
  const Array& out;
};

using Run = RunOptions<Memory>;

class AnyCache;

/// A DecodePlan.
class AnyPlan : OwnsMemory {
 public:
  virtual ~AnyPlan() = default;
  /// `cache`: of the kind that the plan was made for.
  virtual void run(const Space& space, const Step& step, const AnyCache& cache, const Run& options) const = 0;
  [[nodiscard]] virtual const Shape& shape() const = 0;
  [[nodiscard]] virtual std::size_t workspace_bytes() const = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
};

using PlanPointer = std::unique_ptr<AnyPlan>;

/// A plan for caches of the library's: defined where a file of its own compiles it (plans_*.cpp). Errors: those of
/// DecodePlan; std::invalid_argument for a method that such caches have no kernels of.
template <class Cache>
PlanPointer make_plan(const Space& space, const PlanRequest& request);

/// Drops the plans that `decode` keeps.
void forget_plans();

void bind_plans(nb::module_& module);

}  // namespace santa::python
