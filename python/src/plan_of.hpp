// A DecodePlan behind AnyPlan: included by the files that compile those of one kind of cache.
#pragma once

#include "caches.hpp"
#include "compiled.hpp"
#include "contiguous_cache.hpp"
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

template <class T>
inline constexpr Type type_of_element = std::same_as<T, float>  ? Type::float32
                                        : std::same_as<T, half> ? Type::float16
                                                                : Type::bfloat16;

/// A query or an output of rank 3 or 4, as one of rank 4 with tokens.
template <class T>
View<T****> with_tokens(const Array& array) {
  return array.rank() == 4 ? view_of<T****>(array) : view_with_one<T****>(array, 1);
}

/// Caches of full rows, of two bytes or more, are decoded by all methods; others by the two that most would take, as
/// each method is compiled for each kind of cache; those whose drawn rows are scored again by MassUnit alone.
template <class Cache>
inline constexpr bool has_full_rows =
    sizeof(KeyElement<Cache>) > 1 &&
    std::same_as<typename Cache::Addresses::Element, typename Cache::Addresses::ScoredElement>;
template <class Cache, class M>
inline constexpr bool takes_method = has_full_rows<Cache> || std::same_as<M, MassUnit> ||
                                     (std::same_as<M, Exact> && !Cache::Addresses::rescored);

/// Of what santa::kernels has compiled for all processors, plans that change no scores use that.
template <class Cache>
inline constexpr bool is_in_kernels = false;
template <class T>
inline constexpr bool is_in_kernels<ContiguousRowsOf<const T, NoScales>> = true;

template <class Cache, Method M, ScoreModifier Modifier>
class PlanOf final : public AnyPlan {
  using T = KeyElement<Cache>;

 public:
  PlanOf(const Space& space, const M& method, const PlanRequest& request, const Modifier& modifier)
      : _plan(space, method, request.shape, cache_of<Cache>, request.options, modifier) {}

  void run(const Space& space, const Step& step, const AnyCache& any, const Run& options) const override {
    const Cache cache(static_cast<const typename Cache::Arrays&>(any));
    const Type type = step.query.type();
    if (type == Type::float32) return run_with<float>(space, cache, step, options);
    if constexpr (sizeof(T) == 1) {
      if (type == Type::float16) return run_with<half>(space, cache, step, options);
      if (type == Type::bfloat16) return run_with<bfloat16>(space, cache, step, options);
      santa::detail::reject("query's dtype", name_of(type), "float32, float16 or bfloat16");
    } else {
      if constexpr (!std::same_as<T, float>)
        if (type == type_of_element<T>) return run_with<T>(space, cache, step, options);
      santa::detail::reject("query's dtype", name_of(type), accepted("that of keys", type_of_element<T>));
    }
  }
  [[nodiscard]] const Shape& shape() const override { return _plan.shape(); }
  [[nodiscard]] std::size_t workspace_bytes() const override { return _plan.workspace_bytes(); }
  [[nodiscard]] std::string describe() const override { return _plan.describe(); }

 private:
  static std::string accepted(const char* whose, Type type) {
    return type == Type::float32 ? "float32" : "float32, or " + std::string(whose) + " (" + name_of(type) + ")";
  }

  template <class Query>
  void run_with(const Space& space, const Cache& cache, const Step& step, const Run& options) const {
    const auto query = with_tokens<const Query>(step.query);
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

template <class Cache, class M>
PlanPointer make_plan_by(const M& method, const Space& space, const PlanRequest& request) {
  if constexpr (!takes_method<Cache, M>) {
    santa::detail::reject("method", text_of(request.method),
                          Cache::Addresses::rescored
                              ? "MassUnit with joint draws, where drawn rows are scored again"
                              : "Exact, or MassUnit with joint draws, where keys are of less than two bytes");
  } else if constexpr (!has_method<M>) {
    const std::string given = text_of(request.method);
    reject_uncompiled({"method", given, compiled_methods});
  } else {
    if constexpr (is_in_kernels<Cache>)
      if (request.modifier.changes_nothing())
        return std::make_unique<PlanOf<Cache, M, Identity>>(space, method, request, Identity{});
    return std::make_unique<PlanOf<Cache, M, ScoreChange>>(space, method, request, request.modifier);
  }
}

template <class Cache>
PlanPointer make_plan(const Space& space, const PlanRequest& request) {
  constexpr Missing missing = missing_of<Cache>(Cache::kinds);
  if constexpr (!is_compiled(missing)) {
    reject_uncompiled(missing);
  } else {
    return std::visit([&](const auto& method) { return make_plan_by<Cache>(method, space, request); },
                      method_of(request.method));
  }
}

}  // namespace santa::python
