// Copies of keys that scores are made from, as a decoder would have them.
#pragma once

#include "decode/decoder.hpp"
#include "decode/scoring.hpp"

namespace santa::example {

/// What a scoring's stage reads: one of them, or none where it reads the keys.
template <class T>
struct KeyCopies {
  AnyNarrowKeys<T> narrow;
  FeatureKeys<T, Memory> features;
  ClusteredKeys<Memory> clusters;
};

/// Copies all keys, with what is known of them from the visible ones. Does not fence.
/// Errors: std::invalid_argument from the library.
template <class T>
KeyCopies<T> copy_keys(const Space& space, const Cache<T>& all, const WholeCache<T>& visible, const Scoring& scoring);

}  // namespace santa::example
