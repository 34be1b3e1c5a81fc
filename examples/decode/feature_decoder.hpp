// A decoder's plan for features of keys. For the file that instantiates it.
#pragma once

#include "decode/decoder.hpp"
#include "decode/scoring.hpp"
#include <santa/decode/choose_features.hpp>
#include <santa/decode/plan.hpp>

#include <Kokkos_Core.hpp>

#include <memory>
#include <optional>
#include <variant>

namespace santa::example {

template <class T, AnyMassUnit M, Rescore rescore>
class FeatureDecoder final : public Decoder<T> {
 public:
  using ScoredCache = FeatureCache<WholeCache<T>, FeatureKeys<T, Memory>, AnyFeatures, rescore>;

  FeatureDecoder(const Space& space, const M& method, const Shape& shape, float scale, const AnyFeatures& choice)
      : _plan(space, method, shape, cache_of<ScoredCache>, {.scale = scale}),
        _choice(choice),
        _coefficients("santa::example::coefficients", 1, static_cast<std::size_t>(shape.heads),
                      static_cast<std::size_t>(shape.dim)) {}

  void run(const Space& space, const QueryView& query, const Step<T>& step, const OutView& out,
           const RunOptions<Memory>& options) const override {
    _plan.run(space, query, ScoredCache(step.whole, *step.features, _choice), out, options);
  }

  [[nodiscard]] std::optional<double> features_read(const Space& space, const QueryView& query, const Step<T>& step,
                                                    const RunOptions<Memory>& options) const override {
    const FeatureCache cache{step.whole, *step.features, _choice};
    choose_features(space, query, cache, _coefficients,
                    {.seed = options.seed, .step = options.step, .stream = options.stream});
    space.fence("santa::example::features");
    const auto chosen = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _coefficients);
    const auto group = static_cast<std::size_t>(_plan.shape().group());
    double used = 0.;
    for (std::size_t first = 0; first < chosen.extent(1); first += group)
      for (std::size_t d = 0; d < chosen.extent(2); ++d) {
        bool read = false;
        for (std::size_t head = first; head < first + group; ++head) read = read || chosen(0, head, d) != 0.F;
        used += read ? 1. : 0.;
      }
    return used / static_cast<double>(_plan.shape().kv_heads);
  }

 private:
  DecodePlan<Space, M, ScoredCache> _plan;
  AnyFeatures _choice;
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> _coefficients;
};

template <class T>
std::unique_ptr<Decoder<T>> make_feature_decoder(const Space& space, const AnyMethod& method, const Shape& shape,
                                                 float scale, const Scoring& scoring) {
  const AnyFeatures choice = scoring.choice(shape.dim);
  return std::visit(
      [&]<class M>(const M& chosen) -> std::unique_ptr<Decoder<T>> {
        if constexpr (AnyMassUnit<M>) {
          if (scoring.rescored)
            return std::make_unique<FeatureDecoder<T, M, Rescore::drawn_rows>>(space, chosen, shape, scale, choice);
          return std::make_unique<FeatureDecoder<T, M, Rescore::none>>(space, chosen, shape, scale, choice);
        }
        return nullptr;
      },
      method);
}

}  // namespace santa::example
