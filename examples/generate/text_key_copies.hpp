// Copies of a text's keys that a policy reads in their place: codes of 4 bits, or clusters.
#pragma once

#include "generate/cache.hpp"
#include "generate/plans.hpp"
#include "generate/policy.hpp"
#include "generate/settings.hpp"
#include "generate/views.hpp"
#include <santa/decode/options.hpp>

#include <cstdint>
#include <memory>

namespace santa::example {

/// Of one text, all layers, and the plan that reads them.
class TextKeyCopies {
 public:
  /// Bytes that a layer has read so far.
  using Bytes = Kokkos::View<double, Memory>;

  TextKeyCopies() = default;
  TextKeyCopies(const TextKeyCopies&) = delete;
  TextKeyCopies& operator=(const TextKeyCopies&) = delete;
  virtual ~TextKeyCopies() = default;

  /// Takes over the key of the newest token, number `length` - 1, of one layer.
  virtual void take_newest(const Space& space, std::int64_t layer, std::int64_t length) = 0;
  /// That token's attention in one layer. Clusters have states of their own, and of statistics the rows. What was read
  /// is added to `bytes`.
  virtual void run(const Space& space, std::int64_t layer, std::int64_t length, const QueryRows& query,
                   const OutRows& out, const RunOptions<Memory>& options, const Bytes& bytes) = 0;
};

/// The copies that a policy reads of the text in `slot`, with its first `length` keys; none where it reads the keys.
/// Errors: UserError for a model with windows, or in a build without copies.
std::unique_ptr<TextKeyCopies> copy_keys(const Space& space, const Policy& policy, const Settings& settings,
                                         const KvCache& cache, std::int64_t slot, std::int64_t length);

}  // namespace santa::example
