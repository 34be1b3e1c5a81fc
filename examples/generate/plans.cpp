#include "generate/plans.hpp"

#include <santa/decode/plan.hpp>

#include <utility>

namespace santa::example {
namespace {

bool equal(const MassUnit& a, const MassUnit& b) {
  return a.rows == b.rows && a.target_error == b.target_error && a.steered == b.steered;
}

}  // namespace

/// The plans for one shape, made when they are first asked for.
struct Plans::Shelf {
  using Sampled = DecodePlan<Space, MassUnit, TextCache>;  // SharedCache has lengths besides

  Shape shape;
  DecodePlan<Space, Exact, TextCache> exact;
  std::vector<std::pair<MassUnit, std::unique_ptr<Sampled>>> sampled = {};

  explicit Shelf(const Shape& given) : shape(given), exact(Space(), Exact{}, given, cache_of<TextCache>) {}

  const Sampled& find(const MassUnit& method) {
    for (const auto& [known, plan] : sampled)
      if (equal(known, method)) return *plan;
    return *sampled.emplace_back(method, std::make_unique<Sampled>(Space(), method, shape, cache_of<TextCache>)).second;
  }

  template <class Cache>
  void run(const Space& space, const std::optional<MassUnit>& method, const QueryRows& query, const Cache& cache,
           const OutRows& out, const RunOptions<Memory>& options) {
    if (method)
      find(*method).run(space, query, cache, out, options);
    else
      exact.run(space, query, cache, out, options);
  }
};

Plans::Plans(const Settings& settings, std::int64_t capacity, std::int64_t chunk)
    : _shape{1, settings.heads, settings.kv_heads, capacity, settings.dim} {
  Shape many = _shape;
  many.batch = chunk;
  _one = std::make_unique<Shelf>(_shape);
  _many = std::make_unique<Shelf>(many);
}

Plans::~Plans() = default;

void Plans::run(const Space& space, const std::optional<MassUnit>& method, const QueryRows& query,
                const TextCache& cache, const OutRows& out, const RunOptions<Memory>& options) {
  _one->run(space, method, query, cache, out, options);
}

void Plans::run(const Space& space, const std::optional<MassUnit>& method, const QueryRows& query,
                const SharedCache& cache, const OutRows& out, const RunOptions<Memory>& options) {
  _many->run(space, method, query, cache, out, options);
}

}  // namespace santa::example
