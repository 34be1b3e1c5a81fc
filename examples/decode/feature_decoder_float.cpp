#include "decode/feature_decoder.hpp"
#include <santa/core/element.hpp>

template std::unique_ptr<santa::example::Decoder<float>> santa::example::make_feature_decoder<float>(
    const Space&, const AnyMethod&, const Shape&, float, const Scoring&);
