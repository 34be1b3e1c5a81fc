// How many copies of a cache it takes that the processor's cache can't hold them.
#pragma once

#include <cstddef>

namespace santa::example {

/// Size of the last-level cache, 64 MiB where it can't be found out.
std::size_t last_level_cache_bytes();

/// Copies of `copy_bytes` each to rotate through: two and a half times the last-level cache, since a sampling method
/// touches little more than the keys, half of a copy; at most 1.5 GiB, at least one copy.
std::size_t rotation_copies(std::size_t copy_bytes);

}  // namespace santa::example
