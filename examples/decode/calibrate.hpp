// Choosing a number of draws by the rows that they read.
#pragma once

#include <cstdint>
#include <functional>

namespace santa::example {

/// The number of draws that reads about the share `wanted` of `length` rows; `rows_read(samples)` tries a number and
/// gives its share. A few tries; the answer is the best of them, at least `fewest`, and below `length` where not all
/// rows are wanted: from there on methods read every row.
std::int64_t samples_for(double wanted, std::int64_t length, const std::function<double(std::int64_t)>& rows_read,
                         std::int64_t fewest = 1);

}  // namespace santa::example
