#include "generate/texts.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace santa::example {
namespace {

std::size_t size(std::int64_t number) { return static_cast<std::size_t>(number); }

/// Errors: UserError for more tokens than positions can count.
std::int64_t checked(std::int64_t capacity) {
  constexpr std::int64_t highest = std::numeric_limits<std::int32_t>::max();
  if (capacity > highest)
    throw UserError("the cache is for " + std::to_string(capacity) + " tokens; accepted: up to " +
                    std::to_string(highest));
  return capacity;
}

/// The first `count` numbers of `to` become those of `from`.
void upload(const Space& space, const Numbers& to, std::span<const std::int32_t> from) {
  const Kokkos::View<const std::int32_t*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>> host(from.data(),
                                                                                                           from.size());
  Kokkos::deep_copy(space, Kokkos::subview(to, std::pair<std::size_t, std::size_t>(0, from.size())), host);
  space.fence("santa::upload");  // `from` may go
}

}  // namespace

Texts::Texts(const Model& model, std::int64_t slots, std::int64_t capacity)
    : _model(model),
      _cache(model.settings(), slots, checked(capacity)),
      _plans(model.settings(), capacity, chunk),
      _rows{Numbers("santa::tokens", size(model.most_rows())), Numbers("santa::slots", size(model.most_rows())),
            Numbers("santa::positions", size(model.most_rows()))},
      _seen("santa::seen", size(chunk)),
      _logits("santa::logits", size(slots), size(model.settings().vocabulary)),
      _lengths(size(slots), 0),
      _attention(size(slots)) {
  for (std::int64_t slot = 0; slot < slots; ++slot) set_attention(slot, {}, 0);
}

void Texts::prefill(std::int64_t slot, std::span<const std::int32_t> prompt,
                    const std::function<void(std::size_t)>& note) {
  if (static_cast<std::int64_t>(prompt.size()) > _cache.capacity())
    throw UserError("the prompt has " + std::to_string(prompt.size()) + " tokens, but the cache is for " +
                    std::to_string(_cache.capacity()));
  check_tokens(prompt);
  _lengths[size(slot)] = 0;
  const auto most = size(std::min(chunk, _model.most_rows()));
  for (std::size_t begin = 0; begin < prompt.size(); begin += most) {
    const std::size_t count = std::min(most, prompt.size() - begin);
    read_chunk(slot, prompt.subspan(begin, count));
    if (note) note(begin + count);
  }
}

void Texts::check_tokens(std::span<const std::int32_t> tokens) const {
  for (const std::int32_t token : tokens)
    if (token < 0 || token >= _model.settings().vocabulary)
      throw UserError("the text has the token " + std::to_string(token) + "; accepted: 0 to " +
                      std::to_string(_model.settings().vocabulary - 1));
}

void Texts::read_chunk(std::int64_t slot, std::span<const std::int32_t> tokens) {
  std::int64_t& length = _lengths[size(slot)];
  upload(_space, _rows.tokens, tokens);
  const auto count = static_cast<std::int64_t>(tokens.size());
  _rows.count = count;
  place_chunk(_space, slot, length, _rows, _seen);
  const KvCache::Lengths lengths = Kokkos::subview(_seen, std::pair<std::size_t, std::size_t>(0, tokens.size()));
  _model.run(_space, _rows, _cache, [&](std::int64_t layer, const FloatRows& query, const FloatRows& out) {
    _plans.run_prompt(_space, layer, heads_of(query, 0, count), _cache.shared(layer, slot, lengths),
                      heads_to(out, 0, count));
  });
  length += count;
}

void Texts::start(std::int64_t slot, std::int64_t from, const Policy& policy, std::uint64_t seed) {
  if (slot != from) _cache.copy(_space, from, slot, length(from));
  _lengths[size(slot)] = length(from);
  set_attention(slot, policy, seed);
}

void Texts::set_attention(std::int64_t slot, const Policy& policy, std::uint64_t seed) {
  _attention[size(slot)] =
      std::make_unique<TextAttention>(_space, policy, seed, _model.settings(), _plans, _cache, slot, length(slot));
}

void Texts::shorten(std::int64_t slot, std::int64_t length) {
  std::int64_t& now = _lengths[size(slot)];
  now = std::min(now, length);
}

void Texts::step(std::int64_t count) {
  for (std::int64_t slot = 0; slot < count; ++slot)
    if (length(slot) >= _cache.capacity())
      throw UserError("the text has " + std::to_string(length(slot)) + " tokens, and the cache is full");
  for (std::int64_t& length : std::span(_lengths).first(size(count))) ++length;
  std::vector<std::int32_t> places;
  for (std::int64_t slot = 0; slot < count; ++slot) places.push_back(static_cast<std::int32_t>(length(slot) - 1));
  upload(_space, _rows.positions, places);
  for (std::int64_t slot = 0; slot < count; ++slot) places[size(slot)] = static_cast<std::int32_t>(slot);
  upload(_space, _rows.slots, places);
  _rows.count = count;
  _model.run(_space, _rows, _cache, [&](std::int64_t layer, const FloatRows& query, const FloatRows& out) {
    attend(count, layer, query, out);
  });
  for (std::int64_t slot = 0; slot < count; ++slot) _attention[size(slot)]->note_token(_space, _cache, length(slot));
  _model.score(_space, count, _logits);
}

void Texts::attend(std::int64_t count, std::int64_t layer, const FloatRows& query, const FloatRows& out) {
  if (_timed) _space.fence("santa::attention_begins");
  const Kokkos::Timer timer;
  for (std::int64_t slot = 0; slot < count; ++slot) {
    const std::int64_t seen = _model.settings().windows.visible(layer, length(slot));
    _attention[size(slot)]->run(_space, _plans, layer, _cache.visible(layer, slot, length(slot), length(slot) - seen),
                                length(slot), heads_of(query, slot, 1), heads_to(out, slot, 1));
  }
  if (!_timed) return;
  _space.fence("santa::attention_ends");
  _attention_seconds += timer.seconds();
}

QueryRows Texts::heads_of(const FloatRows& query, std::int64_t first, std::int64_t rows) const {
  const Settings& s = _model.settings();
  return QueryRows(query.data() + size(first) * query.extent(1), size(rows), size(s.heads), size(s.dim));
}

OutRows Texts::heads_to(const FloatRows& out, std::int64_t first, std::int64_t rows) const {
  const Settings& s = _model.settings();
  return OutRows(out.data() + size(first) * out.extent(1), size(rows), size(s.heads), size(s.dim));
}

}  // namespace santa::example
