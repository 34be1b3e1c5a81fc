#include "decode/planned_decoder.hpp"
#include <santa/core/element.hpp>

namespace santa::example {

template std::unique_ptr<Decoder<float>> make_decoder<float>(const Space&, const AnyMethod&, const Shape&, float);
template std::unique_ptr<Decoder<half>> make_decoder<half>(const Space&, const AnyMethod&, const Shape&, float);
template std::unique_ptr<Decoder<bfloat16>> make_decoder<bfloat16>(const Space&, const AnyMethod&, const Shape&, float);

}  // namespace santa::example
