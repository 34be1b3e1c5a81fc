// A decoder's plan for clusters of keys. For the file that instantiates it.
#pragma once

#include "decode/cluster_layout.hpp"
#include "decode/decoder.hpp"
#include "decode/scoring.hpp"
#include <santa/clusters/plan.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

namespace santa::example {

/// Carries a state of its own for each stream of its runs.
template <class T>
class ClusterDecoder final : public Decoder<T> {
 public:
  using Clustered = ClusteredCache<WholeCache<T>, Memory>;

  ClusterDecoder(const Space& space, const Shape& shape, float scale, const Scoring& scoring)
      : _shape(shape),
        _plan(space, Clusters{.bytes = scoring.bytes},
              QueryView(nullptr, size(shape.batch), size(shape.heads), size(shape.dim)), empty_cache(space, shape),
              {.scale = scale}),
        _statistics("santa::example::cluster_statistics", size(shape.batch), size(shape.kv_heads)) {}

  void run(const Space& space, const QueryView& query, const Step<T>& step, const OutView& out,
           const RunOptions<Memory>& options) const override {
    const auto stream = options.stream.as<std::uint16_t>("stream");
    auto found = _states.find(stream);
    if (found == _states.end()) found = _states.emplace(stream, ClusterState<Memory>(space, _shape)).first;
    ClusterRunOptions<Memory> own{
        .seed = options.seed, .step = options.step, .stream = options.stream, .state = found->second};
    if (options.statistics.data() != nullptr) own.statistics = _statistics;
    _plan.run(space, query, clustered(step.whole, *step.clusters), out, own);
    if (options.statistics.data() != nullptr) note(space, options);
  }

  void reset(const Space& space) const override {
    for (const auto& [stream, state] : _states) state.reset(space);
  }
  [[nodiscard]] std::optional<double> bytes_read() const override { return _bytes; }

 private:
  static std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }
  /// A cache of the shape, of which a plan looks at extents alone.
  static Clustered empty_cache(const Space& space, const Shape& shape) {
    const RowsView<T> rows(nullptr, size(shape.batch), size(shape.length), size(shape.kv_heads), size(shape.dim));
    return clustered(WholeCache<T>(rows, rows, LengthView()),
                     ClusteredKeys<Memory>(space, shape, cluster_layout(shape.length)));
  }

  void note(const Space& space, const RunOptions<Memory>& options) const {
    space.fence("santa::example::clusters");
    const auto from = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _statistics);
    const auto to = Kokkos::create_mirror(Kokkos::HostSpace(), options.statistics);
    double bytes = 0.;
    for (std::size_t head = 0; head < from.extent(1); ++head) {
      to(0, head).rows_read = from(0, head).rows_read;
      bytes += static_cast<double>(from(0, head).bytes_read);
    }
    Kokkos::deep_copy(options.statistics, to);
    _bytes = bytes;
  }

  Shape _shape;
  ClusterPlan<Space, Clustered> _plan;
  Kokkos::View<ClusterStatistics**, Kokkos::LayoutRight, Memory> _statistics;
  mutable std::map<std::uint16_t, ClusterState<Memory>> _states;
  mutable std::optional<double> _bytes;
};

template <class T>
std::unique_ptr<Decoder<T>> make_cluster_decoder(const Space& space, const Shape& shape, float scale,
                                                 const Scoring& scoring) {
  return std::make_unique<ClusterDecoder<T>>(space, shape, scale, scoring);
}

}  // namespace santa::example
