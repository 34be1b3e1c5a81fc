#include "generate/draft_cache.hpp"

#include <santa/rows/draw_distinct.hpp>

#include <algorithm>

namespace santa::example {
namespace {

constexpr std::uint16_t row_stream = 0xfffd;  // no layer's, nor that of tokens

std::size_t size(std::int64_t number) { return static_cast<std::size_t>(number); }

}  // namespace

DraftCache::DraftCache(const Settings& settings, const KvCache& texts, std::int64_t rows)
    : _texts(texts),
      _cache(settings, texts.slots(), rows + recent),
      _rows(rows),
      _begins(size(texts.slots()), 0),
      _begin("santa::begin", size(texts.slots())),
      _weights(Kokkos::view_alloc("santa::log_weights", Kokkos::WithoutInitializing),
               size(settings.layers * texts.slots() * settings.kv_heads), size(texts.capacity())),
      _turned("santa::turned", size(texts.slots()), size(settings.kv_heads), size(settings.dim), size(most_weighing)) {}

void DraftCache::weigh(const Space& space, std::int64_t layer, const TokenQueries& query, const LogSums& lse,
                       const Numbers& lengths) {
  const auto group = static_cast<std::int64_t>(query.extent(2) / _turned.extent(1));
  const std::int64_t queries =
      std::min(static_cast<std::int64_t>(query.extent(1)) * group, std::int64_t{most_weighing});
  weigh_rows(space, query, lse, _turned, queries, _texts, layer, lengths, _weights);
}

void DraftCache::draw(const Space& space, const std::vector<std::int64_t>& lengths, std::uint64_t seed,
                      std::uint32_t step) {
  const auto begin = Kokkos::create_mirror_view(Kokkos::HostSpace(), _begin);
  std::int64_t newest = 0;
  for (std::size_t slot = 0; slot < _begins.size(); ++slot) {
    _begins[slot] = std::max(lengths[slot] - kept, std::int64_t{0});
    newest = std::max(newest, lengths[slot] - _begins[slot]);
    begin(slot) = static_cast<std::int32_t>(_begins[slot]);
  }
  Kokkos::deep_copy(space, _begin, begin);
  _drawn = std::min(_rows, *std::min_element(_begins.begin(), _begins.end()));
  _filled = true;
  copy(space, _begin, newest);
  if (_drawn > 0) {
    leave_newest(space, _begin, static_cast<std::int64_t>(_turned.extent(1)), _weights);
    const DrawnRows<Memory, double> drawn(space, _weights.extent(0), _drawn);
    draw_distinct(space, _drawn, _weights, drawn, {.seed = seed, .step = step, .stream = row_stream});
    copy_drawn(space, _texts, drawn, _drawn, _cache);
  }
  space.fence("santa::draft_cache");  // the list of rows goes
}

void DraftCache::copy(const Space& space, const Numbers& first, std::int64_t count) const {
  copy_tokens(space, _texts, first, count, _begin, _drawn, _cache);
}

}  // namespace santa::example
