// AnyFeatures: a policy that chooses features, chosen itself at run time.
#pragma once

#include <santa/score/bernoulli.hpp>
#include <santa/score/systematic_features.hpp>
#include <santa/score/top_features.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Bernoulli, SystematicFeatures or TopFeatures: kernels are compiled once for all of them.
class AnyFeatures {
 public:
  AnyFeatures(const Bernoulli& policy) : _kind(Kind::bernoulli), _number(policy.draws) {}               // NOLINT
  AnyFeatures(const SystematicFeatures& policy) : _kind(Kind::systematic), _number(policy.features) {}  // NOLINT
  AnyFeatures(const TopFeatures& policy)                                                                // NOLINT
      : _kind(policy.by_query ? Kind::top_by_query : Kind::top), _number(policy.features) {}

  void check() const {  // not by visit, which kernels call too: nvcc would warn of what runs on the host alone
    if (_kind == Kind::bernoulli) return Bernoulli{_number}.check();
    if (_kind == Kind::systematic) return SystematicFeatures{_number}.check();
    TopFeatures{_number}.check();
  }
  template <class Group, class Coefficients, class Query>
  KOKKOS_FUNCTION void choose(const Group& group, const Coefficients& c, const Query& query) const {
    visit([&](const auto& policy) { policy.choose(group, c, query); });
  }
  template <class Group, class Coefficients>
  KOKKOS_FUNCTION void find_variance(const Group& group, const Coefficients& c, const float* deviation) const {
    visit([&](const auto& policy) { policy.find_variance(group, c, deviation); });
  }

 private:
  enum class Kind : std::uint8_t { bernoulli, systematic, top, top_by_query };

  template <class F>
  KOKKOS_FUNCTION void visit(const F& f) const {
    switch (_kind) {
      case Kind::bernoulli: return f(Bernoulli{_number});
      case Kind::systematic: return f(SystematicFeatures{_number});
      case Kind::top: return f(TopFeatures{_number});
      case Kind::top_by_query: return f(TopFeatures{_number, true});
    }
  }

  Kind _kind;
  int _number;
};

}  // namespace santa
