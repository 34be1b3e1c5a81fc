#include "generate/text_key_copies.hpp"

#include "decode/cluster_layout.hpp"
#include "decode/error.hpp"
#include <santa/cache/encode_keys.hpp>
#include <santa/clusters/cluster_keys.hpp>
#include <santa/clusters/plan.hpp>
#include <santa/decode/plan.hpp>

#include <vector>

namespace santa::example {
namespace {

std::size_t size(std::int64_t number) { return static_cast<std::size_t>(number); }

/// Where a text lies, and how long it is on the device.
class CopiedText : public TextKeyCopies {
 protected:
  CopiedText(const Settings& settings, const KvCache& cache, std::int64_t slot)
      : _cache(cache),
        _slot(slot),
        _shape{1, settings.heads, settings.kv_heads, cache.capacity(), settings.dim},
        _length("santa::text_length", 1) {}

  /// All of the text's storage in a layer, of which `length` tokens are there.
  [[nodiscard]] SharedCache text(const Space& space, std::int64_t layer, std::int64_t length) const {
    Kokkos::deep_copy(space, _length, static_cast<std::int32_t>(length));
    return _cache.shared(layer, _slot, _length);
  }
  [[nodiscard]] const Shape& shape() const { return _shape; }

 private:
  KvCache _cache;
  std::int64_t _slot;
  Shape _shape;
  Numbers _length;
};

class NarrowCopies final : public CopiedText {
 public:
  NarrowCopies(const Space& space, const Policy& policy, const Settings& settings, const KvCache& cache,
               std::int64_t slot, std::int64_t length)
      : CopiedText(settings, cache, slot), _plan(space, *method_of(policy, 0, policy.from), shape(), cache_of<Scored>) {
    for (std::int64_t layer = 0; layer < settings.layers; ++layer) {
      _keys.emplace_back(space, shape());
      const SharedCache keys = text(space, layer, length);
      calibrate(space, keys, _keys.back());
      encode_keys(space, keys, _keys.back(), 0, length);
    }
  }

  void take_newest(const Space& space, std::int64_t layer, std::int64_t length) override {
    encode_newest_keys(space, text(space, layer, length), _keys[size(layer)]);
  }

  void run(const Space& space, std::int64_t layer, std::int64_t length, const QueryRows& query, const OutRows& out,
           const RunOptions<Memory>& options, const Bytes& bytes) override {
    _plan.run(space, query, Scored(text(space, layer, length), _keys[size(layer)]), out, options);
    const auto rows = options.statistics;
    const auto codes = static_cast<double>(length * bytes_of_key());
    const auto row = static_cast<double>(4 * shape().dim);
    Kokkos::parallel_for(
        "santa::note_bytes", Kokkos::RangePolicy<Space>(space, 0, 1), KOKKOS_LAMBDA(int) {
          for (std::size_t head = 0; head < rows.extent(1); ++head)
            bytes() += codes + row * static_cast<double>(rows(0, head).rows_read);
        });
  }

 private:
  using Narrow = NarrowKeys<int4x2, Memory>;
  using Scored = NarrowCache<SharedCache, Narrow, Rescore::drawn_rows>;

  /// Half a byte a feature, and a scale of two.
  [[nodiscard]] std::int64_t bytes_of_key() const { return shape().dim / 2 + 2; }

  DecodePlan<Space, MassUnit, Scored> _plan;
  std::vector<Narrow> _keys;
};

class ClusterCopies final : public CopiedText {
 public:
  ClusterCopies(const Space& space, const Policy& policy, const Settings& settings, const KvCache& cache,
                std::int64_t slot, std::int64_t length)
      : CopiedText(settings, cache, slot), _statistics("santa::cluster_statistics", 1, size(settings.kv_heads)) {
    for (std::int64_t layer = 0; layer < settings.layers; ++layer) {
      _keys.emplace_back(space, shape(), cluster_layout(cache.capacity()));
      _newest.emplace_back(space, _keys.back());
      _states.emplace_back(space, shape());
      cluster_keys(space, clustered(text(space, layer, length), _keys.back()));
    }
    _plan = std::make_unique<ClusterPlan<Space, Clustered>>(
        space, Clusters{.bytes = policy.number}, QueryRows(nullptr, 1, size(settings.heads), size(settings.dim)),
        clustered(text(space, 0, length), _keys[0]));
  }

  void take_newest(const Space& space, std::int64_t layer, std::int64_t length) override {
    _newest[size(layer)].run(space, clustered(text(space, layer, length), _keys[size(layer)]));
  }

  void run(const Space& space, std::int64_t layer, std::int64_t length, const QueryRows& query, const OutRows& out,
           const RunOptions<Memory>& options, const Bytes& bytes) override {
    _plan->run(space, query, clustered(text(space, layer, length), _keys[size(layer)]), out,
               {.seed = options.seed,
                .step = options.step,
                .stream = options.stream,
                .statistics = _statistics,
                .state = _states[size(layer)]});
    const auto from = _statistics;
    const auto rows = options.statistics;
    Kokkos::parallel_for(
        "santa::note_bytes", Kokkos::RangePolicy<Space>(space, 0, 1), KOKKOS_LAMBDA(int) {
          for (std::size_t head = 0; head < from.extent(1); ++head) {
            rows(0, head).rows_read = from(0, head).rows_read;
            bytes() += static_cast<double>(from(0, head).bytes_read);
          }
        });
  }

 private:
  using Clustered = ClusteredCache<SharedCache, Memory>;

  Kokkos::View<ClusterStatistics**, Kokkos::LayoutRight, Memory> _statistics;
  std::unique_ptr<ClusterPlan<Space, Clustered>> _plan;
  std::vector<ClusteredKeys<Memory>> _keys;
  std::vector<NewestClusters<Memory>> _newest;
  std::vector<ClusterState<Memory>> _states;
};

}  // namespace

std::unique_ptr<TextKeyCopies> copy_keys(const Space& space, const Policy& policy, const Settings& settings,
                                         const KvCache& cache, std::int64_t slot, std::int64_t length) {
  if (policy.keys != Policy::Keys::full && settings.windows.tokens > 0)
    throw UserError("the policy " + quote(policy.name()) + " is for models whose layers all see all tokens");
  if (policy.keys == Policy::Keys::int4)
    return std::make_unique<NarrowCopies>(space, policy, settings, cache, slot, length);
  if (policy.keys == Policy::Keys::clusters)
    return std::make_unique<ClusterCopies>(space, policy, settings, cache, slot, length);
  return nullptr;
}

}  // namespace santa::example
