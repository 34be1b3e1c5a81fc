#include "decode/feature_decoder.hpp"
#include <santa/core/element.hpp>

template std::unique_ptr<santa::example::Decoder<santa::half>> santa::example::make_feature_decoder<santa::half>(
    const Space&, const AnyMethod&, const Shape&, float, const Scoring&);
