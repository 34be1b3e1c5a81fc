// How far ahead a host asks for key rows, and into which cache.
#pragma once

#include <santa/core/build.hpp>

namespace santa::lanes::inline SANTA_BUILD {

/// Key rows are asked for this many rows ahead, into this level of the caches: as measured, see bench/RESULTS.md.
/// -DSANTA_ROWS_AHEAD and -DSANTA_KEY_LEVEL are for measuring others.
#if defined(SANTA_ROWS_AHEAD)
inline constexpr int host_rows_ahead = SANTA_ROWS_AHEAD;
#else
inline constexpr int host_rows_ahead = 24;
#endif
#if defined(SANTA_KEY_LEVEL)
inline constexpr int host_key_level = SANTA_KEY_LEVEL;
#elif defined(__znver3__) || defined(__znver4__) || defined(__znver5__)
inline constexpr int host_key_level = 1;
#else
inline constexpr int host_key_level = 2;
#endif

}  // namespace santa::lanes::inline SANTA_BUILD
