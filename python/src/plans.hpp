// Plans of any method and cache behind one type.
#pragma once

#include "arrays.hpp"
#include "caches.hpp"
#include "methods.hpp"
#include "session.hpp"
#include <santa/decode/options.hpp>
#include <santa/score/modifiers.hpp>

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

namespace santa::python {

/// Window and soft cap as values: one type of modifier for all of them.
struct WindowAndCap {
  std::int64_t size = every_key;
  float cap = 0.F;  // 0: none

  void check() const {
    Window{size}.check();
    if (cap != 0.F) SoftCap{cap}.check();
  }
  [[nodiscard]] std::int64_t window() const { return size; }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float apply(const Float& score) const {
    return cap != 0.F ? SoftCap{cap}.apply(score) : score;
  }

  [[nodiscard]] bool changes_nothing() const { return size == every_key && cap == 0.F; }
};

/// What a plan is made from.
struct PlanRequest {
  GivenMethod method;
  Shape shape;
  PlanOptions options;
  WindowAndCap modifier;
};

/// The arrays of a step. Query and out have the ranks that callers gave them: 3, or 4 with tokens.
struct Step {
  const Array& query;
  const Array& out;
};

using Run = RunOptions<Memory>;

/// A DecodePlan for one kind of cache.
template <class Arrays>
class AnyPlan : OwnsMemory {
 public:
  virtual ~AnyPlan() = default;
  virtual void run(const Space& space, const Step& step, const Arrays& cache, const Run& options) const = 0;
  [[nodiscard]] virtual const Shape& shape() const = 0;
  [[nodiscard]] virtual std::size_t workspace_bytes() const = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
};

template <class Arrays>
using PlanPointer = std::unique_ptr<AnyPlan<Arrays>>;

/// A plan for caches of T: defined in a file for each T. Errors: those of DecodePlan.
template <class T, class Arrays>
PlanPointer<Arrays> make_plan(const Space& space, const PlanRequest& request);

/// Drops the plans that `decode` keeps.
void forget_plans();

void bind_plans(nb::module_& module);

}  // namespace santa::python
