#include "generate/plans.hpp"

#include <santa/decode/plan.hpp>

#include <utility>

namespace santa::example {
namespace {

bool equal(const MassUnit& a, const MassUnit& b) {
  return a.rows == b.rows && a.target_error == b.target_error && a.steered == b.steered;
}

}  // namespace

/// The plans for a token: those by MassUnit are made when they are first asked for.
struct Plans::Token {
  using Sampled = DecodePlan<Space, MassUnit, TextCache>;

  Shape shape;
  DecodePlan<Space, Exact, TextCache> exact;
  std::vector<std::pair<MassUnit, std::unique_ptr<Sampled>>> sampled = {};

  explicit Token(const Shape& given) : shape(given), exact(Space(), Exact{}, given, cache_of<TextCache>) {}

  const Sampled& find(const MassUnit& method) {
    for (const auto& [known, plan] : sampled)
      if (equal(known, method)) return *plan;
    return *sampled.emplace_back(method, std::make_unique<Sampled>(Space(), method, shape, cache_of<TextCache>)).second;
  }
};

/// Those for a chunk of a prompt: of layers that see all, and of those with a window.
struct Plans::Prompt {
  DecodePlan<Space, Exact, TextCache> whole;  // SharedCache has lengths besides
  std::unique_ptr<DecodePlan<Space, Exact, TextCache, Window>> window;

  Prompt(const Shape& shape, const Windows& windows) : whole(Space(), Exact{}, shape, cache_of<TextCache>) {
    if (windows.tokens > 0)
      window = std::make_unique<DecodePlan<Space, Exact, TextCache, Window>>(
          Space(), Exact{}, shape, cache_of<TextCache>, PlanOptions{}, Window{windows.tokens});
  }
};

Plans::Plans(const Settings& settings, std::int64_t capacity, std::int64_t chunk)
    : _shape{1, settings.heads, settings.kv_heads, capacity, settings.dim}, _windows(settings.windows) {
  Shape many = _shape;
  many.batch = chunk;
  _token = std::make_unique<Token>(_shape);
  _prompt = std::make_unique<Prompt>(many, _windows);
}

Plans::~Plans() = default;

void Plans::run(const Space& space, const std::optional<MassUnit>& method, const QueryRows& query,
                const TextCache& cache, const OutRows& out, const RunOptions<Memory>& options) {
  if (method)
    _token->find(*method).run(space, query, cache, out, options);
  else
    _token->exact.run(space, query, cache, out, options);
}

void Plans::run_prompt(const Space& space, std::int64_t layer, const QueryRows& query, const SharedCache& cache,
                       const OutRows& out) {
  if (_windows.limit(layer))
    _prompt->window->run(space, query, cache, out);
  else
    _prompt->whole.run(space, query, cache, out);
}

}  // namespace santa::example
