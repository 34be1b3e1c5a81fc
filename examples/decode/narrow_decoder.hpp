// A decoder's plan for narrow keys. For the file that instantiates it.
#pragma once

#include "decode/decoder.hpp"
#include "decode/scoring.hpp"
#include <santa/decode/plan.hpp>

#include <memory>
#include <variant>

namespace santa::example {

template <class T, AnyMassUnit M, class Narrow, Rescore rescore>
class NarrowDecoder final : public Decoder<T> {
 public:
  using ScoredCache = NarrowCache<WholeCache<T>, Narrow, rescore>;

  NarrowDecoder(const Space& space, const M& method, const Shape& shape, float scale)
      : _plan(space, method, shape, cache_of<ScoredCache>, {.scale = scale}) {}

  void run(const Space& space, const QueryView& query, const Step<T>& step, const OutView& out,
           const RunOptions<Memory>& options) const override {
    _plan.run(space, query, ScoredCache(step.whole, std::get<Narrow>(*step.narrow)), out, options);
  }

 private:
  DecodePlan<Space, M, ScoredCache> _plan;
};

template <class T, AnyMassUnit M>
std::unique_ptr<Decoder<T>> plan_narrow_decoder(const Space& space, const M& method, const Shape& shape, float scale,
                                                const Scoring& scoring) {
  const auto make = [&]<class Narrow>() -> std::unique_ptr<Decoder<T>> {
    if (scoring.rescored)
      return std::make_unique<NarrowDecoder<T, M, Narrow, Rescore::drawn_rows>>(space, method, shape, scale);
    return std::make_unique<NarrowDecoder<T, M, Narrow, Rescore::none>>(space, method, shape, scale);
  };
  switch (scoring.stage) {
    case ScoreStage::int8: return make.template operator()<NarrowKeys<std::int8_t, Memory>>();
    case ScoreStage::fp8: return make.template operator()<NarrowKeys<float8, Memory>>();
    case ScoreStage::int4: return make.template operator()<NarrowKeys<int4x2, Memory>>();
    case ScoreStage::low_rank: return make.template operator()<LowRankKeys<T, Memory>>();
    case ScoreStage::sparse_keys: return make.template operator()<SparseKeys<Memory>>();
    default: return nullptr;
  }
}

template <class T>
std::unique_ptr<Decoder<T>> make_narrow_decoder(const Space& space, const AnyMethod& method, const Shape& shape,
                                                float scale, const Scoring& scoring) {
  return std::visit(
      [&]<class M>(const M& chosen) -> std::unique_ptr<Decoder<T>> {
        if constexpr (AnyMassUnit<M>) return plan_narrow_decoder<T>(space, chosen, shape, scale, scoring);
        return nullptr;
      },
      method);
}

}  // namespace santa::example
