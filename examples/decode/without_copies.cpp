// In the place of the decoders for copies of keys, in a build that leaves their kernels out (SANTA_EXAMPLE_COPIES).
#include "decode/decoder.hpp"
#include "decode/error.hpp"
#include <santa/core/element.hpp>

#include <string>

namespace santa::example {
namespace {

[[noreturn]] void refuse(const Scoring& scoring) {
  throw UserError("--score " + std::string(name_of(scoring.stage)) +
                  " is not in this build: configure with -DSANTA_EXAMPLE_COPIES=ON");
}

}  // namespace

template <class T>
std::unique_ptr<Decoder<T>> make_narrow_decoder(const Space& /*space*/, const AnyMethod& /*method*/,
                                                const Shape& /*shape*/, float /*scale*/, const Scoring& scoring) {
  refuse(scoring);
}

template <class T>
std::unique_ptr<Decoder<T>> make_feature_decoder(const Space& /*space*/, const AnyMethod& /*method*/,
                                                 const Shape& /*shape*/, float /*scale*/, const Scoring& scoring) {
  refuse(scoring);
}

template <class T>
std::unique_ptr<Decoder<T>> make_cluster_decoder(const Space& /*space*/, const Shape& /*shape*/, float /*scale*/,
                                                 const Scoring& scoring) {
  refuse(scoring);
}

#define SANTA_EXAMPLE_WITHOUT_COPIES(T)                                                                             \
  template std::unique_ptr<Decoder<T>> make_narrow_decoder<T>(const Space&, const AnyMethod&, const Shape&, float,  \
                                                              const Scoring&);                                      \
  template std::unique_ptr<Decoder<T>> make_cluster_decoder<T>(const Space&, const Shape&, float, const Scoring&);  \
  template std::unique_ptr<Decoder<T>> make_feature_decoder<T>(const Space&, const AnyMethod&, const Shape&, float, \
                                                               const Scoring&);
SANTA_EXAMPLE_WITHOUT_COPIES(float)
SANTA_EXAMPLE_WITHOUT_COPIES(half)
SANTA_EXAMPLE_WITHOUT_COPIES(bfloat16)

}  // namespace santa::example
