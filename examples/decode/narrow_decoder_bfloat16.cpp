#include "decode/narrow_decoder.hpp"
#include <santa/core/element.hpp>

template std::unique_ptr<santa::example::Decoder<santa::bfloat16>> santa::example::make_narrow_decoder<santa::bfloat16>(
    const Space&, const AnyMethod&, const Shape&, float, const Scoring&);
