// The library's methods on a group, many seeds at once.
#pragma once

#include "accuracy/group_problem.hpp"
#include "accuracy/outcome.hpp"
#include "decode/methods.hpp"

#include <optional>

namespace santa::accuracy {

/// Decodes the group with `seeds` seeds. `parameter` is the number of samples a head for methods that have such a
/// number, else of rows. Seeds are requests of one batch that share the cache. A method with a state decodes the same
/// query three times before, so that its delta has settled.
GroupOutcome run_library(const GroupProblem& group, const example::MethodEntry& method, double parameter, int seeds);

/// The method at `rows` mean distinct rows; none where it can't read so many, or so few.
std::optional<GroupOutcome> run_library_at(const GroupProblem& group, const example::MethodEntry& method, double rows,
                                           int seeds);

}  // namespace santa::accuracy
