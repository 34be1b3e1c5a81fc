// A DecodePlan behind AnyPlan: included by the files that compile one element type's.
#pragma once

#include "plans.hpp"
#include <santa/core/check.hpp>
#include <santa/decode/bind.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>

namespace santa::python {

/// The library's cache that a kind of arrays stands for.
template <class T, class Arrays>
struct CacheOfArrays;
template <class T>
struct CacheOfArrays<T, ContiguousArrays> {
  using type = ContiguousRowsOf<T>;
};

template <class T>
inline constexpr Type type_of_element = std::same_as<T, float>  ? Type::float32
                                        : std::same_as<T, half> ? Type::float16
                                                                : Type::bfloat16;

/// A query or an output of rank 3 or 4, as one of rank 4 with tokens.
template <class T>
View<T****> with_tokens(const Array& array) {
  return array.rank() == 4 ? view_of<T****>(array) : view_with_one<T****>(array, 1);
}

template <class T, class Arrays, Method M, ScoreModifier Modifier>
class PlanOf final : public AnyPlan<Arrays> {
  using Cache = typename CacheOfArrays<T, Arrays>::type;

 public:
  PlanOf(const Space& space, const M& method, const PlanRequest& request, const Modifier& modifier)
      : _plan(space, method, request.shape, cache_of<Cache>, request.options, modifier) {}

  void run(const Space& space, const Step& step, const Arrays& arrays, const Run& options) const override {
    const Cache cache(arrays);
    if (step.query.type() == Type::float32)
      return run_with(space, with_tokens<const float>(step.query), cache, step, options);
    if constexpr (!std::same_as<T, float>)
      if (step.query.type() == type_of_element<T>)
        return run_with(space, with_tokens<const T>(step.query), cache, step, options);
    santa::detail::reject("query's dtype", name_of(step.query.type()), accepted("that of keys", type_of_element<T>));
  }
  [[nodiscard]] const Shape& shape() const override { return _plan.shape(); }
  [[nodiscard]] std::size_t workspace_bytes() const override { return _plan.workspace_bytes(); }
  [[nodiscard]] std::string describe() const override { return _plan.describe(); }

 private:
  static std::string accepted(const char* whose, Type type) {
    return type == Type::float32 ? "float32" : "float32, or " + std::string(whose) + " (" + name_of(type) + ")";
  }

  template <class QueryView>
  void run_with(const Space& space, const QueryView& query, const Cache& cache, const Step& step,
                const Run& options) const {
    using Query = typename QueryView::non_const_value_type;
    check_rank_3(step.query, cache.shape(), _plan.shape().dim);
    check_rank_3(step.out, cache.shape(), _plan.shape().values());
    if (step.out.type() == Type::float32) return _plan.run(space, query, cache, with_tokens<float>(step.out), options);
    if constexpr (!std::same_as<Query, float>)
      if (step.out.type() == type_of_element<Query>)
        return _plan.run(space, query, cache, with_tokens<Query>(step.out), options);
    santa::detail::reject("out's dtype", name_of(step.out.type()), accepted("that of query", type_of_element<Query>));
  }

  /// Arrays without tokens are checked by the extents that they have: the plan is shown one more.
  void check_rank_3(const Array& array, const Shape& cache, std::int64_t dim) const {
    if (array.rank() != 3) return;
    const auto view = view_of<const std::byte***>(array);
    santa::detail::require_query_extents(santa::detail::array_of(array.name(), view), cache.batch, _plan.shape(), dim);
  }

  DecodePlan<Space, M, Cache, Modifier> _plan;
};

template <class T, class Arrays>
PlanPointer<Arrays> make_plan(const Space& space, const PlanRequest& request) {
  const auto make = [&]<class M, class Modifier>(const M& method, const Modifier& modifier) -> PlanPointer<Arrays> {
    return std::make_unique<PlanOf<T, Arrays, M, Modifier>>(space, method, request, modifier);
  };
  return std::visit(
      [&](const auto& method) {
        return request.modifier.changes_nothing() ? make(method, Identity{}) : make(method, request.modifier);
      },
      method_of(request.method));
}

}  // namespace santa::python
