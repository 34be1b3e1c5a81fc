#include "generate/text_attention.hpp"

#include <limits>
#include <utility>

namespace santa::example {

TextAttention::TextAttention(const Space& space, Policy policy, std::uint64_t seed, const Settings& settings,
                             const Plans& plans, const KvCache& cache, std::int64_t slot, std::int64_t length)
    : _policy(std::move(policy)),
      _seed(seed),
      _windows(settings.windows),
      _slot(slot),
      _means(settings),
      _statistics("santa::statistics", static_cast<std::size_t>(settings.layers),
                  static_cast<std::size_t>(settings.kv_heads)),
      _rows("santa::rows", static_cast<std::size_t>(settings.layers)),
      _bytes("santa::bytes", static_cast<std::size_t>(settings.layers)),
      _row_bytes(2 * settings.dim) {
  if (_policy.budget == Policy::Budget::all) return;
  if (_policy.budget == Policy::Budget::ratio)
    _budget = std::make_unique<ModelBudget<Memory>>(space, plans.shape(), settings.layers, budget_options(settings));
  else
    for (std::int64_t layer = 0; layer < settings.layers; ++layer) _states.emplace_back(Space(), plans.shape());
  if (_policy.centered) _means.add(space, cache, slot, 0, length);
  _copies = copy_keys(space, _policy, settings, cache, slot, length);
}

ModelBudgetOptions<Memory> TextAttention::budget_options(const Settings& settings) const {
  ModelBudgetOptions<Memory> options;
  if (_policy.weights.empty()) return options;
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> weights(
      "santa::weights", static_cast<std::size_t>(settings.layers), static_cast<std::size_t>(settings.kv_heads));
  const Kokkos::View<const float**, Kokkos::LayoutRight, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>
      host(_policy.weights.data(), weights.extent(0), weights.extent(1));
  Kokkos::deep_copy(weights, host);
  options.weights = weights;
  return options;
}

double TextAttention::log_ratio() const {
  if (!_budget) return std::numeric_limits<double>::quiet_NaN();
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _budget->log_ratio())(0);
}

void TextAttention::run(const Space& space, Plans& plans, std::int64_t layer, const TextCache& cache,
                        std::int64_t length, const QueryRows& query, const OutRows& out) {
  const auto at = static_cast<std::size_t>(layer);
  RunOptions<Memory> options{.seed = _seed,
                             .step = static_cast<std::uint32_t>(length - 1),
                             .stream = static_cast<std::uint16_t>(layer),
                             .statistics = Kokkos::subview(_statistics, std::pair(at, at + 1), Kokkos::ALL)};
  if (_copies) _copies->take_newest(space, layer, length);
  const auto method = _windows.limit(layer) ? std::nullopt : method_of(_policy, layer, length);
  if (method) options.state = _budget ? _budget->state(layer) : _states[at];
  if (_policy.centered && method) options.center = _means.of_layer(layer);
  if (reads_copies(length))
    _copies->run(space, layer, length, query, out, options, Kokkos::subview(_bytes, at));
  else
    plans.run(space, method, query, cache, out, options);
}

void TextAttention::note_token(const Space& space, const KvCache& cache, std::int64_t length) {
  if (_budget) _budget->next_token(space);
  if (_policy.centered) _means.add(space, cache, _slot, length - 1, length);
  const auto statistics = _statistics;
  const auto rows = _rows;
  const auto bytes = _bytes;
  const Windows windows = _windows;
  const auto row_bytes = static_cast<double>(reads_copies(length) ? 0 : _row_bytes);
  Kokkos::parallel_for(
      "santa::note_token", Kokkos::RangePolicy<Space>(space, 0, rows.extent(0)),
      KOKKOS_LAMBDA(const std::size_t layer) {
        for (std::size_t head = 0; head < statistics.extent(1); ++head) {
          rows(layer) += statistics(layer, head).rows_read;
          const std::int64_t keys = windows.visible(static_cast<std::int64_t>(layer), length);
          bytes(layer) += row_bytes * static_cast<double>(keys + statistics(layer, head).rows_read);
        }
      });
  for (std::size_t layer = 0; layer < _statistics.extent(0); ++layer)
    _visible +=
        windows.visible(static_cast<std::int64_t>(layer), length) * static_cast<std::int64_t>(_statistics.extent(1));
}

std::vector<std::int64_t> TextAttention::rows_by_layer() const {
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _rows);
  return {host.data(), host.data() + host.size()};
}

double TextAttention::bytes_share() const {
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _bytes);
  double sum = 0.;
  for (std::size_t layer = 0; layer < host.extent(0); ++layer) sum += host(layer);
  return _visible > 0 ? sum / static_cast<double>(2 * _row_bytes * _visible) : 0.;
}

RowCounts TextAttention::rows() const {
  RowCounts counts{0, _visible};
  for (const std::int64_t rows : rows_by_layer()) counts.read += rows;
  return counts;
}

}  // namespace santa::example
