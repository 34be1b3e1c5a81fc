// What decodes, and how many copies of a cache it takes that its own cache can't hold them.
#pragma once

#include <cstddef>
#include <string>

namespace santa::example {

/// Size of the last-level caches of all processors together (some machines have one for every few cores), 64 MiB where
/// it can't be found out. `processors` is where Linux tells of them.
std::size_t last_level_cache_bytes(const std::string& processors = "/sys/devices/system/cpu");

/// What decodes: "2 threads", or a device's name.
std::string processor();
/// Its last-level cache: a device's own if it is one.
std::size_t processor_cache_bytes();

/// Copies of `copy_bytes` each to rotate through: two and a half times the last-level cache, since a sampling method
/// touches little more than the keys, half of a copy; at most 1.5 GiB, at least one copy.
std::size_t rotation_copies(std::size_t copy_bytes);

}  // namespace santa::example
