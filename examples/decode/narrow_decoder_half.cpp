#include "decode/narrow_decoder.hpp"
#include <santa/core/element.hpp>

template std::unique_ptr<santa::example::Decoder<santa::half>> santa::example::make_narrow_decoder<santa::half>(
    const Space&, const AnyMethod&, const Shape&, float, const Scoring&);
