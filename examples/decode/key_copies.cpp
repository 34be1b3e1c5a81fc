#include "decode/key_copies.hpp"

#include "decode/cluster_layout.hpp"
#include <santa/cache/encode_keys.hpp>
#include <santa/cache/principal_directions.hpp>
#include <santa/cache/transpose_keys.hpp>
#include <santa/clusters/cluster_keys.hpp>
#include <santa/core/element.hpp>

#include <cstdint>

namespace santa::example {

template <class T>
KeyCopies<T> copy_keys(const Space& space, const Cache<T>& all, const WholeCache<T>& visible, const Scoring& scoring) {
  const Shape shape = all.shape();
  const std::int64_t numbers = scoring.numbers_of(shape.dim);
  KeyCopies<T> copies;
  const auto encode = [&]<class Narrow>(auto... size) {
    const Narrow narrow(space, shape, size...);
    if constexpr (requires { calibrate(space, visible, narrow); }) calibrate(space, visible, narrow);
    encode_keys(space, visible, narrow);
    copies.narrow = narrow;
  };
  switch (scoring.stage) {
    case ScoreStage::keys: break;
    case ScoreStage::int8: encode.template operator()<NarrowKeys<std::int8_t, Memory>>(); break;
    case ScoreStage::fp8: encode.template operator()<NarrowKeys<float8, Memory>>(); break;
    case ScoreStage::int4: encode.template operator()<NarrowKeys<int4x2, Memory>>(); break;
    case ScoreStage::low_rank: encode.template operator()<LowRankKeys<T, Memory>>(numbers); break;
    case ScoreStage::sparse_keys: encode.template operator()<SparseKeys<Memory>>(numbers); break;
    case ScoreStage::clusters:
      copies.clusters = ClusteredKeys<Memory>(space, shape, cluster_layout(shape.length));
      cluster_keys(space, clustered(all, copies.clusters));
      break;
    case ScoreStage::bernoulli:
    case ScoreStage::features:
    case ScoreStage::top_features:
      copies.features = FeatureKeys<T, Memory>(space, shape);
      transpose_keys(space, all, copies.features);      // all keys, and again those that are visible:
      transpose_keys(space, visible, copies.features);  // the others stay
  }
  return copies;
}

#define SANTA_EXAMPLE_COPY_KEYS(T) \
  template KeyCopies<T> copy_keys<T>(const Space&, const Cache<T>&, const WholeCache<T>&, const Scoring&);
SANTA_EXAMPLE_COPY_KEYS(float)
SANTA_EXAMPLE_COPY_KEYS(half)
SANTA_EXAMPLE_COPY_KEYS(bfloat16)

}  // namespace santa::example
