#include "generate/lossless.hpp"

#include "decode/error.hpp"
#include "decode/progress.hpp"
#include "generate/pick.hpp"
#include "generate/writing.hpp"
#include <santa/decode/plan.hpp>

#include <algorithm>
#include <string>

namespace santa::example {
namespace {

using Plan = DecodePlan<Space, Exact, TextCache>;  // the caches have lengths besides
using Drafted = Kokkos::View<float***, Kokkos::LayoutStride, Memory>;
using Targets = Kokkos::View<const float***, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
using OutTokens = Kokkos::View<float****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

constexpr std::uint16_t verify_stream = 0xfffe;  // no layer's, nor that of tokens that are picked

std::size_t size(std::int64_t number) { return static_cast<std::size_t>(number); }

Shape shape_of(const Settings& s, std::int64_t slots, std::int64_t length, std::int64_t tokens) {
  Shape shape{slots, s.heads, s.kv_heads, length, s.dim};
  shape.tokens = tokens;
  return shape;
}

Rows rows_of(std::int64_t count) {
  const auto numbers = [&](const std::string& label) { return Numbers(label, size(count)); };
  return {numbers("santa::tokens"), numbers("santa::slots"), numbers("santa::positions"), count,
          numbers("santa::places")};
}

/// Adds the seconds until it ends, and waits for what was launched till then.
class Timed {
 public:
  Timed(const Space& space, double& seconds) : _space(space), _seconds(seconds) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;
  ~Timed() {
    _space.fence("santa::timed");
    _seconds += _timer.seconds();
  }

 private:
  Space _space;
  double& _seconds;
  Kokkos::Timer _timer;
};

}  // namespace

std::int64_t LosslessWritten::count() const {
  std::int64_t sum = 0;
  for (const Tokens& text : tokens) sum += static_cast<std::int64_t>(text.size());
  return sum;
}

double LosslessWritten::tokens_per_second() const { return seconds > 0. ? static_cast<double>(count()) / seconds : 0.; }

double LosslessWritten::acceptance_length() const {
  return verified > 0 ? static_cast<double>(accepted) / static_cast<double>(verified) : 0.;
}

double LosslessWritten::acceptance_rate() const {
  return proposed > 0 ? static_cast<double>(accepted) / static_cast<double>(proposed) : 0.;
}

/// Plans of drafts, and of verifications by their tokens, made when they are first asked for.
struct LosslessWriter::Kernels {
  Plan draft;
  std::vector<std::unique_ptr<Plan>> verify = std::vector<std::unique_ptr<Plan>>(size(LosslessOptions::most + 2));

  const Plan& of_tokens(const Settings& settings, const KvCache& cache, std::int64_t tokens) {
    std::unique_ptr<Plan>& plan = verify[size(tokens)];
    if (!plan)
      plan = std::make_unique<Plan>(Space(), Exact{}, shape_of(settings, cache.slots(), cache.capacity(), tokens),
                                    cache_of<TextCache>);
    return *plan;
  }
};

LosslessWriter::LosslessWriter(Texts& texts, const LosslessOptions& options)
    : _texts(texts),
      _options(options),
      _slots(texts.cache().slots()),
      _draft_cache(texts.model().settings(), texts.cache(), options.rows),
      _kernels(std::make_shared<Kernels>(
          Plan(Space(), Exact{}, shape_of(texts.model().settings(), _slots, _draft_cache.cache().capacity(), 1),
               cache_of<TextCache>))),
      _rows(rows_of(_slots * (LosslessOptions::most + 1))),
      _lengths("santa::lengths", size(_slots)),
      _visible("santa::visible", size(_slots)),
      _fed("santa::fed", size(_slots), size(LosslessOptions::most + 1)),
      _draft_logits("santa::draft_logits", size(_slots * LosslessOptions::most),
                    size(texts.model().settings().vocabulary)),
      _target_logits("santa::target_logits", size(_slots * (LosslessOptions::most + 1)),
                     size(texts.model().settings().vocabulary)),
      _lse("santa::lse", size(_slots * (LosslessOptions::most + 1) * texts.model().settings().heads)),
      _accepted("santa::accepted", size(_slots)),
      _next("santa::next", size(_slots)),
      _verifier(Space(), {_slots, LosslessOptions::most, texts.model().settings().vocabulary}) {
  if (_slots * (LosslessOptions::most + 1) > texts.model().most_rows())
    throw UserError("the model takes " + std::to_string(texts.model().most_rows()) + " tokens at once; accepted: " +
                    std::to_string(texts.model().most_rows() / (LosslessOptions::most + 1)) + " texts at most");
  if (_options.narrow_weights) _narrow.emplace(narrow(_texts.model().weights()), _slots);
}

/// As many as pay, and as there is room for in both caches.
std::int64_t LosslessWriter::drafts_of_round() const {
  std::int64_t room = LosslessOptions::most, longest = 0;
  for (std::int64_t slot = 0; slot < _slots; ++slot) {
    const std::int64_t length = _text[size(slot)].length;
    room = std::min({room, _texts.capacity() - length - 1, _draft_cache.room(slot, length)});
    longest = std::max(longest, length);
  }
  const std::int64_t best = best_drafts(_rate.rate(), DraftCosts::at(longest), LosslessOptions::most);
  return std::clamp(_options.drafts.value_or(best), std::int64_t{0}, std::max(room, std::int64_t{0}));
}

/// Whether the next round would find no room for its drafts.
bool LosslessWriter::wants_rows(std::int64_t drafts) const {
  if (_options.drafts == 0) return false;
  for (std::int64_t slot = 0; slot < _slots; ++slot)
    if (_draft_cache.room(slot, _text[size(slot)].length + drafts + 1) < LosslessOptions::most) return true;
  return false;
}

/// Brings lengths and the tokens that are pending to the device.
void LosslessWriter::begin_round() {
  const Space& space = _texts.space();
  const auto lengths = Kokkos::create_mirror_view(Kokkos::HostSpace(), _lengths);
  const auto pending = Kokkos::create_mirror_view(Kokkos::HostSpace(), _next);
  for (std::size_t slot = 0; slot < _text.size(); ++slot) {
    lengths(slot) = static_cast<std::int32_t>(_text[slot].length);
    pending(slot) = _text[slot].pending;
  }
  Kokkos::deep_copy(space, _lengths, lengths);
  Kokkos::deep_copy(space, _next, pending);
  Kokkos::deep_copy(space, Kokkos::subview(_fed, Kokkos::ALL, 0), _next);
  space.fence("santa::round");
}

/// Draft number `at` of each text: from the token before it, which goes into the cache of drafts.
void LosslessWriter::draft(std::int64_t at) {
  const Space& space = _texts.space();
  const Settings& s = _texts.model().settings();
  Rows rows = _rows;
  rows.count = _slots;
  place_draft(space, _fed, at, _lengths, _draft_cache.begin(), _draft_cache.drawn(), rows, _visible);
  const Model& model = _narrow ? *_narrow : _texts.model();
  model.run(space, rows, _draft_cache.cache(), [&](std::int64_t layer, const FloatRows& query, const FloatRows& out) {
    _kernels->draft.run(space, QueryRows(query.data(), size(_slots), size(s.heads), size(s.dim)),
                        _draft_cache.cache().texts(layer, _visible),
                        OutRows(out.data(), size(_slots), size(s.heads), size(s.dim)));
  });
  const FloatRows logits =
      Kokkos::subview(_draft_logits, std::pair(size(at * _slots), size((at + 1) * _slots)), Kokkos::ALL);
  model.score(space, _slots, logits);
  pick_tokens(space, logits, _slots, _next, {_options.temperature, _options.seed, _step++});
  keep_draft(space, _next, _fed, at + 1);
}

/// Takes pending tokens and drafts through the model by exact attention: the texts' cache has them from then on, as if
/// they had come one by one.
void LosslessWriter::verify(std::int64_t drafts, bool weigh) {
  const Space& space = _texts.space();
  const Settings& s = _texts.model().settings();
  const std::int64_t tokens = drafts + 1;
  Rows rows = _rows;
  rows.count = _slots * tokens;
  rows.places = {};
  place_tokens(space, _fed, tokens, _lengths, rows, _visible);
  const Plan& plan = _kernels->of_tokens(s, _texts.cache(), tokens);
  const LogSums lse(_lse.data(), size(_slots), size(tokens), size(s.heads));
  _texts.model().run(
      space, rows, _texts.cache(), [&](std::int64_t layer, const FloatRows& query, const FloatRows& out) {
        const auto cache = _texts.cache().texts(layer, _visible);
        const TokenQueries queries(query.data(), size(_slots), size(tokens), size(s.heads), size(s.dim));
        plan.run(space, queries, cache, OutTokens(out.data(), size(_slots), size(tokens), size(s.heads), size(s.dim)),
                 {.lse = lse});
        if (weigh) _draft_cache.weigh(space, layer, queries, lse, _lengths);
      });
  _texts.model().score(space, rows.count, _target_logits);
}

void LosslessWriter::accept(std::int64_t drafts, LosslessWritten& written) {
  const Space& space = _texts.space();
  const auto vocabulary = _target_logits.extent(1);
  const Targets targets(_target_logits.data(), size(_slots), size(drafts + 1), vocabulary);
  // Of draft number j of all texts, then of the next.
  const Drafted drafted(_draft_logits.data(), Kokkos::LayoutStride(size(_slots), vocabulary, size(drafts),
                                                                   size(_slots) * vocabulary, vocabulary, 1));
  const auto proposed = Kokkos::subview(_fed, Kokkos::ALL, std::pair(std::size_t{1}, size(drafts + 1)));
  _verifier.run(space, proposed, drafted, targets, _accepted, _next,
                {.temperature = static_cast<float>(_options.temperature),
                 .seed = _options.seed,
                 .step = _step++,
                 .stream = verify_stream});
  const auto fed = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _fed);
  const auto accepted = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _accepted);
  const auto next = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _next);
  for (std::size_t slot = 0; slot < _text.size(); ++slot) {
    Text& text = _text[slot];
    if (text.done) continue;
    ++written.verified;
    written.accepted += accepted(slot);
    written.proposed += std::min<std::int64_t>(accepted(slot) + 1, drafts);
    _rate.note(accepted(slot), drafts);
    Tokens& to = written.tokens[slot];
    const std::size_t before = to.size();
    for (std::int64_t i = 0; i <= accepted(slot) && !text.done; ++i) {
      to.push_back(i < accepted(slot) ? fed(slot, size(i + 1)) : next(slot));
      text.done =
          static_cast<std::int64_t>(to.size()) == _options.tokens || to.back() == _texts.model().settings().end_token;
    }
    text.whole = text.length + static_cast<std::int64_t>(to.size() - before);
    if (next(slot) < 0) throw UserError("the model's logits are no numbers");
    if (text.done) continue;
    text.length += accepted(slot) + 1;
    text.pending = next(slot);
  }
}

LosslessWritten LosslessWriter::write(std::span<const std::int32_t> last) {
  LosslessWritten written;
  written.tokens.resize(size(_slots));
  _text.clear();
  for (std::int64_t slot = 0; slot < _slots; ++slot) _text.push_back({_texts.length(slot), last[size(slot)]});
  const Space& space = _texts.space();
  Progress progress;
  const Kokkos::Timer timer;
  const auto done = [](const Text& text) { return text.done; };
  while (!std::all_of(_text.begin(), _text.end(), done)) {
    const std::int64_t drafts = drafts_of_round();
    const bool draws = wants_rows(drafts);
    begin_round();
    {
      const Timed timed(space, written.draft_seconds);
      for (std::int64_t at = 0; at < drafts; ++at) draft(at);
    }
    {
      const Timed timed(space, written.verify_seconds);
      verify(drafts, draws);
    }
    const Timed timed(space, written.draw_seconds);
    accept(drafts, written);
    ++written.rounds;
    written.drafted += drafts;
    std::vector<std::int64_t> lengths;
    for (const Text& text : _text) lengths.push_back(text.length);
    if (draws)
      _draft_cache.draw(space, lengths, _options.seed, _step++);
    else
      _draft_cache.copy(space, _lengths, drafts + 1);
    progress.say("writing", size(written.count()), size(_slots * _options.tokens));
  }
  for (std::int64_t slot = 0; slot < _slots; ++slot) _texts.set_length(slot, _text[size(slot)].whole);
  written.seconds = timer.seconds();
  return written;
}

LosslessWritten write_lossless(Texts& texts, std::span<const std::int32_t> prompt, const LosslessOptions& options) {
  const double seconds = read_prompt(texts, prompt, options.tokens);
  for (std::int64_t slot = 1; slot < texts.cache().slots(); ++slot) texts.start(slot, 0, {}, 0);
  LosslessWriter writer(texts, options);
  LosslessWritten written = writer.write(std::vector<std::int32_t>(size(texts.cache().slots()), prompt.back()));
  written.prompt_seconds = seconds;
  return written;
}

}  // namespace santa::example
