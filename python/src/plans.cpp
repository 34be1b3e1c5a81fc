// DecodePlan, DecodeState and decode, as Python has them.
#include "plans.hpp"

#include "caches.hpp"
#include "contiguous_cache.hpp"
#include "run_options.hpp"
#include <santa/core/check.hpp>

#include <nanobind/stl/optional.h>
#include <nanobind/stl/variant.h>

#include <bit>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace santa::python {
namespace {

using santa::detail::reject;

/// A query, of rank 3 or 4; its bits are bfloat16 where the cache's are and it is of uint16.
Array query_array(nb::handle object, Type cache) {
  Array query(object, "query");
  if (cache == Type::bfloat16) query.take_as_bfloat16();
  query.require_rank(3, 4, "3: [batch, heads, dim], or 4: [batch, tokens, heads, dim]");
  return query;
}

/// The caller's output, or a new one for this query.
Array out_array(nb::handle object, const Array& query, const Shape& cache) {
  const std::int64_t dim = cache.values();
  if (object.is_none()) {
    const nb::object made =
        query.rank() == 3 ? new_array(query, {query.extent(0), query.extent(1), dim}, query.type())
                          : new_array(query, {query.extent(0), query.extent(1), query.extent(2), dim}, query.type());
    return Array(made, "out", Access::write);
  }
  Array out(object, "out", Access::write);
  if (query.type() == Type::bfloat16) out.take_as_bfloat16();
  santa::detail::require(out.rank() == query.rank(), "out's rank", out.rank(),
                         "that of query (" + std::to_string(query.rank()) + ")");
  return out;
}

Shape shape_of_step(const Array& query, const Shape& cache) {
  Shape shape = cache;
  shape.heads = query.extent(query.rank() - 2);
  shape.tokens = query.rank() == 4 ? query.extent(1) : 1;
  return shape;
}

/// What a plan is given besides its method and shape.
struct PlanArguments {
  float scale;
  std::optional<std::int64_t> window;
  std::optional<float> soft_cap;
  bool causal;
  std::int64_t keys_per_split;
  Array slopes;
};

PlanRequest request_of(const GivenMethod& method, const Shape& shape, const PlanArguments& given) {
  PlanRequest request{method, shape, {.scale = given.scale, .keys_per_split = given.keys_per_split}, {}};
  request.options.causal = given.causal;
  request.modifier.size = given.window.value_or(every_key);
  if (given.soft_cap.has_value()) {
    request.modifier.cap = *given.soft_cap;
    SoftCap{*given.soft_cap}.check();  // 0 is no cap to a plan, but none that a caller may give
  }
  if (given.slopes.given()) {
    const auto slopes = list_of<const float>(given.slopes, "1: [heads]");
    Alibi(slopes).check(shape);
    request.modifier.slopes = slopes.data();
  }
  return request;
}

/// Slopes of linear biases, or none.
Array slopes_array(nb::handle object) {
  Array slopes = optional_array(object, "Alibi.slopes");
  if (slopes.given()) slopes.require_type(Type::float32);
  return slopes;
}

/// A plan, the kind of its caches, and what it reads beside them.
struct OwnedPlan {
  std::string kind;
  Array slopes;
  PlanPointer plan;

  nb::object run(nb::handle query_given, const AnyCache& cache, nb::handle out_given, const RunArrays& options,
                 nb::handle cuda_stream) const {
    if (cache.kind() != kind) reject("cache", cache.kind(), "the plan's, " + kind);
    const Array query = query_array(query_given, cache.type());
    const Array out = out_array(out_given, query, cache.shape());
    const Space space = space_for(cuda_stream, query);
    {
      const Launch launch;
      plan->run(space, {query, out}, cache, options.options());
    }
    return out.object();
  }
};

/// Plans that `decode` has made, to be taken again: the last used come first.
class PlanPool {
 public:
  /// What tells plans apart. The stream is part of it, as kernels that use a plan's memory may still run.
  using Key = std::tuple<std::string, std::string, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         std::int64_t, std::int64_t, float, float, std::int64_t, const float*, bool, std::int64_t,
                         std::uintptr_t>;

  /// One that no other thread has.
  PlanPointer take(const Key& key) {
    const std::lock_guard lock(_mutex);
    for (auto i = _plans.begin(); i != _plans.end(); ++i) {
      if (i->first != key) continue;
      auto plan = std::move(i->second);
      _plans.erase(i);
      return plan;
    }
    return nullptr;
  }
  void give_back(const Key& key, PlanPointer plan) {
    const std::lock_guard lock(_mutex);
    _plans.emplace_front(key, std::move(plan));
    if (_plans.size() > most) _plans.pop_back();
  }
  void clear() {
    const std::lock_guard lock(_mutex);
    _plans.clear();
  }

 private:
  static constexpr std::size_t most = 32;

  std::mutex _mutex;
  std::list<std::pair<Key, PlanPointer>> _plans;
};

PlanPool& pool() {
  static PlanPool pool;
  return pool;
}

PlanPool::Key key_of(const AnyCache& cache, const PlanRequest& request, const Space& space) {
  const Shape& s = request.shape;
  return {cache.kind(),
          text_of(request.method),
          s.batch,
          s.heads,
          s.kv_heads,
          s.length,
          s.dim,
          s.tokens,
          s.values(),
          request.options.scale,
          request.modifier.cap,
          request.modifier.size,
          request.modifier.slopes,
          request.options.causal,
          request.options.keys_per_split,
          stream_number(space)};
}

/// A length that plans are made for, so that caches may grow: but where draws depend on it.
std::int64_t length_of_plan(const GivenMethod& method, std::int64_t length) {
  if (std::holds_alternative<FixedTileBudget>(method)) return length;
  const auto least = static_cast<std::uint64_t>(length > 1024 ? length : 1024);
  const auto rounded = static_cast<std::int64_t>(std::bit_ceil(least));
  return rounded <= santa::detail::most_rows ? rounded : length;
}

nb::object decode(const GivenMethod& method, nb::handle query_given, const AnyCache& cache, nb::handle out_given,
                  const PlanArguments& given, const RunArrays& options, nb::handle cuda_stream) {
  const Array query = query_array(query_given, cache.type());
  const Shape shape = cache.shape();
  const Array out = out_array(out_given, query, shape);
  PlanRequest request = request_of(method, shape_of_step(query, shape), given);
  request.shape.length = length_of_plan(method, shape.length);
  const Space space = space_for(cuda_stream, query);
  const PlanPool::Key key = key_of(cache, request, space);
  {
    const Launch launch;
    PlanPointer plan = pool().take(key);
    if (plan == nullptr) plan = cache.make_plan(space, request);
    cache.validate(space);
    plan->run(space, {query, out}, cache, options.options());
    pool().give_back(key, std::move(plan));
  }
  return out.object();
}

void bind_state(nb::module_& module) {
  nb::class_<OwnedState>(module, "DecodeState", R"(What MassUnit carries from one decode step to the next, of one layer.

batch, heads, tokens  those of the steps. Raises ValueError: name, given, accepted.)")
      .def(
          "__init__",
          [](OwnedState* self, std::int64_t batch, std::int64_t heads, std::int64_t tokens) {
            const Shape shape{.batch = batch, .heads = heads, .kv_heads = 1, .tokens = tokens};
            const Space space = default_space();
            DecodeState<Memory> state;
            {
              const Launch launch;
              state = DecodeState<Memory>(space, shape);
              space.fence("santa::DecodeState");
            }
            new (self) OwnedState{{}, state};
          },
          nb::arg("batch"), nb::arg("heads"), nb::arg("tokens") = 1)
      .def(
          "reset",
          [](const OwnedState& self, std::optional<std::int64_t> request, const nb::object& stream) {
            reset_state(self.state, request, stream);
          },
          nb::arg("request") = nb::none(), nb::kw_only(), nb::arg("cuda_stream") = nb::none(),
          "Forgets all steps, or those of one request, for another that takes its place.")
      .def(
          "permute",
          [](const OwnedState& self, const nb::object& order, const nb::object& stream) {
            const Array array(order, "order");
            array.require_type(Type::int32);
            const Kokkos::View<const std::int32_t*, Memory> list = list_of<const std::int32_t>(array, "1: [batch]");
            const Space space = space_for(stream, array);
            const Launch launch;
            self.state.permute(space, list);
          },
          nb::arg("order"), nb::kw_only(), nb::arg("cuda_stream") = nb::none(),
          "Moves what is carried along with requests that change places: request b gets what order[b] had (nothing "
          "where that is negative). order: [batch], int32.");
}

constexpr const char* plan_doc = R"(Decode attention by one method, for steps as large as this one at most.

out[b, h] = sum_i a_i v_i over the visible keys of request b, a = softmax(soft_cap(scale <q, k_i>) + bias), exactly or by
an unbiased sample of the rows. Makes its memory once; `run` allocates nothing of its own.

query           [batch, heads, dim] or [batch, tokens, heads, dim]: its extents are looked at, not its content
cache           of any kind: its extents and types are looked at
scale           factor of <q, k>, in natural units; 0: 1 / sqrt(dim)
window          how many of the last keys are visible; None: all
soft_cap        scores become soft_cap * tanh(score / soft_cap), in natural units; None: as they are
alibi_slopes    [heads] float32, read when the plan runs, and kept: scores get slope * (key's position - query's), behind
                the soft cap; None: no biases
causal          of several tokens: their own keys are the last ones, each sees its own and those before
keys_per_split  keys of a unit of work, a multiple of 256; 0: the plan chooses
length          for caches of up to so many keys; 0: as many as this one has room for

Raises ValueError: name, given, accepted.)";

constexpr const char* run_doc = R"(Decodes one step, and returns its output.

query       [batch, heads, dim] or [batch, tokens, heads, dim], float32 or of the cache's type (uint16 for bfloat16)
cache       of the plan's kind; batch and length may be smaller than the plan's
out         like query with values' dim, float32 or of query's type; None: a new array of query's framework and type
            (float32 for bfloat16 in NumPy)
seed        0 to 2^64 - 1, or an array [batch] of 64-bit integers
step        decode step, 0 to 2^32 - 1, or an array [batch] of 32-bit integers
stream      0 to 65535, usually the layer: streams draw independently
state       a DecodeState, for MassUnit
sinks       [heads] float32: logits beside the scores; a head's output is N / (Z + e^sink)
lse         [batch, heads] or [batch, tokens, heads] float32, written: natural log-sum-exp of the scores
            and of the sink where there is one
error       the same: estimated L2 norm of the error of out
statistics  [batch, kv_heads] of santa.statistics_dtype, or their bytes [batch, kv_heads, 24] as uint8, written
center      [batch, kv_heads, values' dim] float32: a control variate, such as the mean value row
requests    [batch] 32-bit integers: identities that draws go by; None: the batch index
budgets     [batch] float32: in place of MassUnit's rows, request by request
tokens      [batch] int32: tokens of a request, where they are fewer
trees       [batch, tokens] 32-bit integers: bit i says whether the token sees token i
cuda_stream an int, torch.cuda.Stream or cupy.cuda.Stream; None: the framework's current one. On a host: None

The GIL is released while kernels run. On CUDA they may still run when this returns. Raises ValueError: name, given,
accepted.)";

void bind_plan(nb::module_& module) {
  nb::class_<OwnedPlan>(module, "DecodePlan", plan_doc)
      .def(
          "__init__",
          [](OwnedPlan* self, const GivenMethod& method, const nb::object& query_given, const AnyCache& cache,
             double scale, std::optional<std::int64_t> window, std::optional<float> soft_cap,
             const nb::object& alibi_slopes, bool causal, std::int64_t keys_per_split, std::int64_t length) {
            const Array query = query_array(query_given, cache.type());
            const PlanArguments given{scale_of(scale), window,         soft_cap,
                                      causal,          keys_per_split, slopes_array(alibi_slopes)};
            PlanRequest request = request_of(method, shape_of_step(query, cache.shape()), given);
            if (length != 0) request.shape.length = length;
            const Space space = space_for(nb::none(), query);
            PlanPointer plan;
            {
              const Launch launch;
              plan = cache.make_plan(space, request);
            }
            new (self) OwnedPlan{cache.kind(), given.slopes, std::move(plan)};
          },
          nb::arg("method"), nb::arg("query"), nb::arg("cache"), nb::kw_only(), nb::arg("scale") = 0.,
          nb::arg("window") = nb::none(), nb::arg("soft_cap") = nb::none(), nb::arg("alibi_slopes") = nb::none(),
          nb::arg("causal") = true, nb::arg("keys_per_split") = 0, nb::arg("length") = 0)
      .def(
          "run",
          [](const OwnedPlan& self, const nb::object& query, const AnyCache& cache, const nb::object& out,
             const nb::object& seed, const nb::object& step, const nb::object& stream, const nb::object& state,
             const nb::object& sinks, const nb::object& lse, const nb::object& error, const nb::object& statistics,
             const nb::object& center, const nb::object& requests, const nb::object& budgets, const nb::object& tokens,
             const nb::object& trees, const nb::object& cuda_stream) {
            const RunArrays options(
                {{seed, step, stream, requests}, state, sinks, lse, error, statistics, center, budgets, tokens, trees});
            return self.run(query, cache, out, options, cuda_stream);
          },
          nb::arg("query"), nb::arg("cache"), nb::arg("out") = nb::none(), nb::kw_only(), nb::arg("seed") = 0,
          nb::arg("step") = 0, nb::arg("stream") = 0, nb::arg("state") = nb::none(), nb::arg("sinks") = nb::none(),
          nb::arg("lse") = nb::none(), nb::arg("error") = nb::none(), nb::arg("statistics") = nb::none(),
          nb::arg("center") = nb::none(), nb::arg("requests") = nb::none(), nb::arg("budgets") = nb::none(),
          nb::arg("tokens") = nb::none(), nb::arg("trees") = nb::none(), nb::arg("cuda_stream") = nb::none(), run_doc)
      .def_prop_ro("shape", [](const OwnedPlan& self) { return self.plan->shape(); })
      .def_prop_ro("workspace_bytes", [](const OwnedPlan& self) { return self.plan->workspace_bytes(); })
      .def(
          "describe", [](const OwnedPlan& self) { return self.plan->describe(); },
          "What the plan does and costs, in a few lines for people.");
}

constexpr const char* decode_doc = R"(Decodes one step: the one-call form of ContiguousCache, DecodePlan and run.

keys, values, lengths, layout, dtype, key_scale, value_scale are those of ContiguousCache; or `keys` is a cache of any
kind, without these. All else is as in DecodePlan and DecodePlan.run, but that lengths and page tables are validated,
which waits for kernels where a cache has them.

Plans are kept and taken again for steps of the same method, options and extents. They are made for lengths rounded up
to a power of two, so that a cache that grows costs a plan once a doubling (for FixedTileBudget, whose draws depend on
the plan's length, one for each length). Raises ValueError: name, given, accepted.)";

void bind_decode(nb::module_& module) {
  module.def(
      "decode",
      [](const GivenMethod& method, const nb::object& query, const nb::object& keys, const nb::object& values,
         const nb::object& lengths, const nb::object& out, const std::string& layout, const nb::object& dtype,
         const nb::object& key_scale, const nb::object& value_scale, double scale, std::optional<std::int64_t> window,
         std::optional<float> soft_cap, const nb::object& alibi_slopes, bool causal, std::int64_t keys_per_split,
         const nb::object& seed, const nb::object& step, const nb::object& stream, const nb::object& state,
         const nb::object& sinks, const nb::object& lse, const nb::object& error, const nb::object& statistics,
         const nb::object& center, const nb::object& requests, const nb::object& budgets, const nb::object& tokens,
         const nb::object& trees, const nb::object& cuda_stream) {
        const RunArrays options(
            {{seed, step, stream, requests}, state, sinks, lse, error, statistics, center, budgets, tokens, trees});
        const PlanArguments given{scale_of(scale), window,         soft_cap,
                                  causal,          keys_per_split, slopes_array(alibi_slopes)};
        if (nb::isinstance<AnyCache>(keys)) {
          for (const nb::object& object : {values, lengths, dtype, key_scale, value_scale})
            if (!object.is_none())
              reject("values, lengths, dtype or a scale", "given", "None: keys is a cache, which has them");
          if (layout != "token_major") reject("layout", "given", "none: keys is a cache, which has one");
          return decode(method, query, nb::cast<const AnyCache&>(keys), out, given, options, cuda_stream);
        }
        const GivenRows rows{keys, values, layout, dtype, key_scale, value_scale};
        return decode(method, query, contiguous_arrays(rows, lengths), out, given, options, cuda_stream);
      },
      nb::arg("method"), nb::arg("query"), nb::arg("keys"), nb::arg("values") = nb::none(),
      nb::arg("lengths") = nb::none(), nb::arg("out") = nb::none(), nb::kw_only(), nb::arg("layout") = "token_major",
      nb::arg("dtype") = nb::none(), nb::arg("key_scale") = nb::none(), nb::arg("value_scale") = nb::none(),
      nb::arg("scale") = 0., nb::arg("window") = nb::none(), nb::arg("soft_cap") = nb::none(),
      nb::arg("alibi_slopes") = nb::none(), nb::arg("causal") = true, nb::arg("keys_per_split") = 0,
      nb::arg("seed") = 0, nb::arg("step") = 0, nb::arg("stream") = 0, nb::arg("state") = nb::none(),
      nb::arg("sinks") = nb::none(), nb::arg("lse") = nb::none(), nb::arg("error") = nb::none(),
      nb::arg("statistics") = nb::none(), nb::arg("center") = nb::none(), nb::arg("requests") = nb::none(),
      nb::arg("budgets") = nb::none(), nb::arg("tokens") = nb::none(), nb::arg("trees") = nb::none(),
      nb::arg("cuda_stream") = nb::none(), decode_doc);
}

}  // namespace

void forget_plans() { pool().clear(); }

void bind_plans(nb::module_& module) {
  bind_state(module);
  bind_plan(module);
  bind_decode(module);
}

}  // namespace santa::python
