// A decoder's plan for narrow keys. For the files that instantiate it, one an element type.
#pragma once

#include "decode/decoder.hpp"
#include "decode/scoring.hpp"
#include <santa/decode/plan.hpp>

#include <memory>
#include <variant>

namespace santa::example {

template <class T, class Code, bool again>
class NarrowDecoder final : public Decoder<T> {
 public:
  NarrowDecoder(const Space& space, const MassUnit& method, const Shape& shape, float scale)
      : _plan(space, method, shape, {.scale = scale}) {}

  void run(const Space& space, const QueryView& query, const Step<T>& step, const OutView& out,
           const RunOptions<Memory>& options) const override {
    const NarrowCache cache{step.whole, std::get<NarrowKeys<Code, Memory>>(*step.narrow)};
    if constexpr (again)
      _plan.run(space, query, santa::rescored(cache), out, options);
    else
      _plan.run(space, query, cache, out, options);
  }

 private:
  DecodePlan<Space, MassUnit> _plan;
};

template <class T>
std::unique_ptr<Decoder<T>> make_narrow_decoder(const Space& space, const MassUnit& method, const Shape& shape,
                                                float scale, const Scoring& scoring) {
  const auto make = [&]<class Code>() -> std::unique_ptr<Decoder<T>> {
    if (scoring.rescored) return std::make_unique<NarrowDecoder<T, Code, true>>(space, method, shape, scale);
    return std::make_unique<NarrowDecoder<T, Code, false>>(space, method, shape, scale);
  };
  if (scoring.stage == ScoreStage::int8) return make.template operator()<std::int8_t>();
  if (scoring.stage == ScoreStage::fp8) return make.template operator()<float8>();
  return make.template operator()<int4x2>();
}

}  // namespace santa::example
