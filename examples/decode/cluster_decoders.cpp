#include "decode/cluster_decoder.hpp"
#include <santa/core/element.hpp>

namespace santa::example {

#define SANTA_EXAMPLE_CLUSTER_DECODER(T) \
  template std::unique_ptr<Decoder<T>> make_cluster_decoder<T>(const Space&, const Shape&, float, const Scoring&);
SANTA_EXAMPLE_CLUSTER_DECODER(float)
SANTA_EXAMPLE_CLUSTER_DECODER(half)
SANTA_EXAMPLE_CLUSTER_DECODER(bfloat16)

}  // namespace santa::example
