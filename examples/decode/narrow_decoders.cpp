#include "decode/narrow_decoder.hpp"
#include <santa/core/element.hpp>

namespace santa::example {

template std::unique_ptr<Decoder<float>> make_narrow_decoder<float>(const Space&, const AnyMethod&, const Shape&, float,
                                                                    const Scoring&);
template std::unique_ptr<Decoder<half>> make_narrow_decoder<half>(const Space&, const AnyMethod&, const Shape&, float,
                                                                  const Scoring&);
template std::unique_ptr<Decoder<bfloat16>> make_narrow_decoder<bfloat16>(const Space&, const AnyMethod&, const Shape&,
                                                                          float, const Scoring&);

}  // namespace santa::example
