// A decoder's plan. For the file that instantiates it, where the library's kernels are compiled.
#pragma once

#include "decode/decoder.hpp"
#include <santa/decode/plan.hpp>

#include <memory>
#include <variant>

namespace santa::example {

template <class T, Method M>
class PlannedDecoder final : public Decoder<T> {
 public:
  PlannedDecoder(const Space& space, const M& method, const Shape& shape, float scale)
      : _plan(space, method, shape, cache_of<Cache<T>>, {.scale = scale}) {}

  void run(const Space& space, const QueryView& query, const Step<T>& step, const OutView& out,
           const RunOptions<Memory>& options) const override {
    _plan.run(space, query, step.visible, out, options);
  }

 private:
  DecodePlan<Space, M, Cache<T>> _plan;
};

template <class T>
std::unique_ptr<Decoder<T>> make_decoder(const Space& space, const AnyMethod& method, const Shape& shape, float scale) {
  return std::visit(
      [&]<class M>(const M& chosen) -> std::unique_ptr<Decoder<T>> {
        return std::make_unique<PlannedDecoder<T, M>>(space, chosen, shape, scale);
      },
      method);
}

}  // namespace santa::example
