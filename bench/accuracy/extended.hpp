// Longer contexts than a capture has, made of its own rows.
#pragma once

#include "decode/capture.hpp"

#include <cstdint>

namespace santa::accuracy {

/// A layer of `length` keys whose scores and values are distributed as those of the capture: a smoothed bootstrap.
/// The first 64 and the last 256 rows and the queries stay; between them lie blocks of 32 neighbouring rows, drawn with
/// replacement from the middle of the capture, each row x_i replaced by m + a (x_i - m) + b (x_j - x_k), with m the
/// mean, j and k other rows of the middle and a^2 + 2 b^2 = 1: mean and covariance of keys and of values stay too, and
/// no row is there twice.
/// Requires: BF16 keys, more than 1024 of them; length at least theirs.
/// Errors:   UserError.
example::CapturedLayer extended(const example::CapturedLayer& layer, Shape& shape, std::int64_t length,
                                std::uint64_t seed);

}  // namespace santa::accuracy
