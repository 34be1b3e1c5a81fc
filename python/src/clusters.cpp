// Clusters of a cache's keys, as Python has them.
#include "clusters.hpp"

#include "narrow_cache.hpp"
#include "records.hpp"
#include "run_options.hpp"
#include <santa/core/check.hpp>

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace santa::python {
namespace {

using santa::detail::reject;

struct OwnedClusters : OwnsMemory {
  ClusteredKeys<Memory> keys;
};
struct OwnedNewest : OwnsMemory {
  NewestClusters<Memory> newest;
};
struct OwnedClusterState : OwnsMemory {
  ClusterState<Memory> state;
};

/// Calls f.operator()<Full>(arrays) with a cache whose keys may have clusters: of two bytes a feature.
template <class F>
void with_two_byte_rows(const AnyCache& cache, const F& f) {
  const char* const what = "one whose keys may have clusters";
  with_full_rows(cache, what, [&]<class Full>(const typename Full::Arrays& arrays) {
    if constexpr (std::is_same_v<typename Full::key_view::value_type, const float>)
      reject("cache", cache.kind(), std::string(what) + ": of bfloat16 or float16");
    else
      f.template operator()<Full>(arrays);
  });
}

/// A cache and clusters of its keys.
struct ClusteredArrays {
  ClusteredArrays(const AnyCache& full, const OwnedClusters& clusters)
      : cache_object(nb::find(full)), keys_object(nb::find(clusters)), cache(&full), keys(&clusters) {
    with_two_byte_rows(full, [&]<class Full>(const typename Full::Arrays& arrays) {
      static_cast<void>(santa::clustered(Full(arrays), clusters.keys).shape());
    });
  }

  nb::object cache_object, keys_object;  // which keep what follows
  const AnyCache* cache;
  const OwnedClusters* keys;
};

struct OwnedClusterPlan {
  std::string kind;
  std::unique_ptr<AnyClusterPlan> plan;
};

Array query_array(nb::handle object, const AnyCache& cache) {
  Array query(object, "query");
  if (cache.type() == Type::bfloat16) query.take_as_bfloat16();
  query.require_rank(3, "3: [batch, heads, dim]");
  return query;
}

Array out_array(nb::handle object, const Array& query) {
  const bool made = object.is_none();
  Array out(
      made ? new_array(query, {query.extent(0), query.extent(1), query.extent(2)}, query.type()) : nb::borrow(object),
      "out", Access::write);
  if (query.type() == Type::bfloat16) out.take_as_bfloat16();
  out.require_rank(3, "3: [batch, heads, dim]");
  return out;
}

Clusters method_of(double bytes, double code_share, std::optional<RowBudget> keys, std::optional<RowBudget> rows,
                   const std::string& estimate, bool value_codes, bool steered, bool chooses_codes) {
  if (estimate != "telescoping" && estimate != "self_normalised")
    reject("Clusters.estimate", "\"" + estimate + "\"", "\"telescoping\" or \"self_normalised\"");
  Clusters method;
  method.bytes = bytes;
  method.code_share = code_share;
  method.keys = keys.value_or(RowBudget{});
  method.rows = rows.value_or(RowBudget{});
  method.estimate = estimate == "telescoping" ? ClusterEstimate::telescoping : ClusterEstimate::self_normalised;
  method.value_codes = value_codes;
  method.steered = steered;
  method.chooses_codes = chooses_codes;
  method.check(0.);
  return method;
}

void bind_method(nb::module_& module) {
  nb::class_<Clusters>(module, "Clusters",
                       R"(Draws clusters of keys by their means, rows of these by codes, and reads those.

bytes        share of the bytes that exact attention reads, above what means take and up to 1
code_share   of what means leave, how much goes to codes: 0.05 to 0.95
keys, rows   in the place of bytes: how many keys' codes and how many rows are read, as MassUnit has its rows
estimate     "telescoping" or "self_normalised"
value_codes  whether codes of values are read, where they are kept; chooses_codes: not where means predict badly
steered      steps after the first read the means of keys before they draw

Numerator and denominator of the output are unbiased (docs/clusters.md). Raises ValueError: name, given, accepted.)")
      .def(
          "__init__",
          [](Clusters* self, double bytes, double code_share, std::optional<RowBudget> keys,
             std::optional<RowBudget> rows, const std::string& estimate, bool value_codes, bool steered,
             bool chooses_codes) {
            new (self) Clusters(method_of(bytes, code_share, std::move(keys), std::move(rows), estimate, value_codes,
                                          steered, chooses_codes));
          },
          nb::arg("bytes") = 0.125, nb::arg("code_share") = 0.67, nb::arg("keys") = nb::none(),
          nb::arg("rows") = nb::none(), nb::arg("estimate") = "telescoping", nb::arg("value_codes") = true,
          nb::arg("steered") = true, nb::arg("chooses_codes") = true)
      .def_ro("bytes", &Clusters::bytes)
      .def_ro("code_share", &Clusters::code_share);
}

void bind_keys(nb::module_& module) {
  nb::class_<OwnedClusters>(module, "ClusteredKeys", R"(Clusters of the keys of a cache, beside it; none made yet.

cache        a ContiguousCache or PagedCache of bfloat16 or float16: extents are looked at
chunk        consecutive keys that are clustered together, 32 to 32768
keys         of a cluster on average, 4 to 256, a divisor of chunk
value_codes  whether residuals of values are coded too

Raises ValueError: name, given, accepted.)")
      .def(
          "__init__",
          [](OwnedClusters* self, const AnyCache& cache, std::int64_t chunk, std::int64_t keys, bool value_codes) {
            with_two_byte_rows(cache, []<class Full>(const typename Full::Arrays& /*arrays*/) {});
            const Shape shape = cache.shape();
            const Space space = default_space();
            ClusteredKeys<Memory> made;
            {
              const Launch launch;
              made = ClusteredKeys<Memory>(space, shape, {.chunk = chunk, .keys = keys, .value_codes = value_codes});
              space.fence("santa::ClusteredKeys");
            }
            new (self) OwnedClusters{{}, std::move(made)};
          },
          nb::arg("cache"), nb::kw_only(), nb::arg("chunk") = 2048, nb::arg("keys") = 16, nb::arg("value_codes") = true)
      .def(
          "reset",
          [](const OwnedClusters& self, std::int64_t request, const nb::object& stream) {
            const Space space = space_for(stream, {});
            const Launch launch;
            self.keys.reset(space, request);
          },
          nb::arg("request"), nb::kw_only(), nb::arg("cuda_stream") = nb::none(),
          "Forgets the clusters of a request, for another that takes its place.")
      .def_prop_ro(
          "clustered",
          [](const OwnedClusters& self) {
            const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, self.keys.clustered());
            return std::vector<std::int64_t>(here.data(), here.data() + here.extent(0));
          },
          "Chunks of each request that are clustered. Waits for kernels.")
      .def_prop_ro("bytes", [](const OwnedClusters& self) {
        return ClusteredKeys<Memory>::bytes(self.keys.shape(), self.keys.layout());
      });
}

void bind_making(nb::module_& module) {
  nb::class_<ClusteredArrays>(module, "ClusteredCache", "A cache and the ClusteredKeys that were made for it.")
      .def(
          "__init__",
          [](ClusteredArrays* self, const AnyCache& cache, const OwnedClusters& keys) {
            new (self) ClusteredArrays(cache, keys);
          },
          nb::arg("cache"), nb::arg("keys"))
      .def_prop_ro("cache", [](const ClusteredArrays& cache) { return cache.cache_object; })
      .def_prop_ro("keys", [](const ClusteredArrays& cache) { return cache.keys_object; });
  module.def(
      "cluster_keys",
      [](const ClusteredArrays& cache, const nb::object& stream) {
        const Space space = space_for(stream, {});
        const Launch launch;
        with_two_byte_rows(*cache.cache, [&]<class Full>(const typename Full::Arrays& arrays) {
          ClustersOf<Full>::cluster(space, Full(arrays), cache.keys->keys);
        });
      },
      nb::arg("cache"), nb::kw_only(), nb::arg("cuda_stream") = nb::none(),
      "Clusters all full chunks of every request of a ClusteredCache, after a prompt. Waits for kernels.");
  nb::class_<OwnedNewest>(module, "NewestClusters", R"(Clusters a request's chunk once its newest token has filled it.

keys   ClusteredKeys
calls  of `run` that cluster a chunk: each does a part of the work; until the last the chunk is read as it is)")
      .def(
          "__init__",
          [](OwnedNewest* self, const OwnedClusters& keys, std::int64_t calls) {
            const Space space = default_space();
            const Launch launch;
            new (self) OwnedNewest{{}, NewestClusters<Memory>(space, keys.keys, calls)};
          },
          nb::arg("keys"), nb::arg("calls") = 96)
      .def(
          "run",
          [](const OwnedNewest& self, const ClusteredArrays& cache, const nb::object& stream) {
            const Space space = space_for(stream, {});
            const Launch launch;
            with_two_byte_rows(*cache.cache, [&]<class Full>(const typename Full::Arrays& arrays) {
              ClustersOf<Full>::cluster_newest(space, Full(arrays), cache.keys->keys, self.newest);
            });
          },
          nb::arg("cache"), nb::kw_only(), nb::arg("cuda_stream") = nb::none(),
          "After each append, or every few: for a ClusteredCache with the keys that this was made for.");
}

void bind_state(nb::module_& module) {
  nb::class_<OwnedClusterState>(module, "ClusterState",
                                "What a ClusterPlan carries from one decode step to the next, of one layer.")
      .def(
          "__init__",
          [](OwnedClusterState* self, std::int64_t batch, std::int64_t heads) {
            const Space space = default_space();
            ClusterState<Memory> state;
            {
              const Launch launch;
              state = ClusterState<Memory>(space, Shape{.batch = batch, .heads = heads, .kv_heads = 1});
              space.fence("santa::ClusterState");
            }
            new (self) OwnedClusterState{{}, std::move(state)};
          },
          nb::arg("batch"), nb::arg("heads"))
      .def(
          "reset",
          [](const OwnedClusterState& self, std::optional<std::int64_t> request, const nb::object& stream) {
            reset_state(self.state, request, stream);
          },
          nb::arg("request") = nb::none(), nb::kw_only(), nb::arg("cuda_stream") = nb::none(),
          "Forgets all steps, or those of one request, for another that takes its place.");
}

struct GivenClusterRun {
  nb::object state, lse, error, statistics;
};

nb::object run(const OwnedClusterPlan& self, nb::handle query_given, const ClusteredArrays& cache, nb::handle out_given,
               const GivenChance& chance, const GivenClusterRun& given, nb::handle cuda_stream) {
  if (cache.cache->kind() != self.kind) reject("cache", cache.cache->kind(), "the plan's, " + self.kind);
  const Array query = query_array(query_given, *cache.cache);
  const Array out = out_array(out_given, query);
  const ChanceArrays names(chance);
  ClusterRun options;
  names.put_into(options);
  Array numbers[2], records;
  const auto matrix = [&](nb::handle object, const char* name, Array& keep) -> View<float**> {
    if (object.is_none()) return {};
    keep = Array(object, name, Access::write);
    keep.require_type(Type::float32);
    keep.require_rank(2, "2: [batch, heads]");
    return view_of<float**>(keep);
  };
  options.lse = matrix(given.lse, "lse", numbers[0]);
  options.error = matrix(given.error, "error", numbers[1]);
  if (!given.statistics.is_none()) {
    records =
        records_array(given.statistics, "statistics", sizeof(ClusterStatistics), "santa.cluster_statistics_dtype");
    options.statistics = records_of<ClusterStatistics>(records);
  }
  if (!given.state.is_none()) {
    if (!nb::isinstance<OwnedClusterState>(given.state))
      reject("state", text_of(given.state), "None or a ClusterState");
    options.state = nb::cast<const OwnedClusterState&>(given.state).state;
  }
  const Space space = space_for(cuda_stream, query);
  {
    const Launch launch;
    self.plan->run(space, {query, out}, *cache.cache, cache.keys->keys, options);
  }
  return out.object();
}

constexpr const char* run_doc = R"(Decodes one step, and returns its output.

query, out  [batch, heads, dim], float32 or of the cache's type; out None: a new array
cache       a ClusteredCache of the plan's kind and layout of clusters
state       a ClusterState, or None
lse, error  [batch, heads] float32, written: log of the denominator; estimated L2 norm of the error of out
statistics  [batch, kv_heads] of santa.cluster_statistics_dtype, written
seed, step, stream, requests  as of DecodePlan.run

On CUDA kernels may still run when this returns. Raises ValueError: name, given, accepted.)";

void bind_plan(nb::module_& module) {
  nb::class_<OwnedClusterPlan>(module, "ClusterPlan",
                               R"(Decode attention over clusters of keys, for steps as large as this one at most.

method  Clusters
query   [batch, heads, dim]: extents are looked at; at most 8 heads of a kv head draw together
cache   a ClusteredCache: extents and types are looked at
scale   factor of <q, k>, in natural units; 0: 1 / sqrt(dim)

Raises ValueError: name, given, accepted.)")
      .def(
          "__init__",
          [](OwnedClusterPlan* self, const Clusters& method, const nb::object& query_given,
             const ClusteredArrays& cache, double scale) {
            const Array query = query_array(query_given, *cache.cache);
            const Space space = space_for(nb::none(), query);
            std::unique_ptr<AnyClusterPlan> plan;
            {
              const Launch launch;
              with_two_byte_rows(*cache.cache, [&]<class Full>(const typename Full::Arrays& arrays) {
                plan = ClustersOf<Full>::make_plan(space, method, query, Full(arrays), cache.keys->keys,
                                                   {.scale = scale_of(scale)});
              });
            }
            new (self) OwnedClusterPlan{cache.cache->kind(), std::move(plan)};
          },
          nb::arg("method"), nb::arg("query"), nb::arg("cache"), nb::kw_only(), nb::arg("scale") = 0.)
      .def(
          "run",
          [](const OwnedClusterPlan& self, const nb::object& query, const ClusteredArrays& cache, const nb::object& out,
             const nb::object& seed, const nb::object& step, const nb::object& stream, const nb::object& state,
             const nb::object& lse, const nb::object& error, const nb::object& statistics, const nb::object& requests,
             const nb::object& cuda_stream) {
            return run(self, query, cache, out, {seed, step, stream, requests}, {state, lse, error, statistics},
                       cuda_stream);
          },
          nb::arg("query"), nb::arg("cache"), nb::arg("out") = nb::none(), nb::kw_only(), nb::arg("seed") = 0,
          nb::arg("step") = 0, nb::arg("stream") = 0, nb::arg("state") = nb::none(), nb::arg("lse") = nb::none(),
          nb::arg("error") = nb::none(), nb::arg("statistics") = nb::none(), nb::arg("requests") = nb::none(),
          nb::arg("cuda_stream") = nb::none(), run_doc)
      .def_prop_ro("shape", [](const OwnedClusterPlan& self) { return self.plan->shape(); })
      .def_prop_ro("workspace_bytes", [](const OwnedClusterPlan& self) { return self.plan->workspace_bytes(); })
      .def(
          "describe", [](const OwnedClusterPlan& self) { return self.plan->describe(); },
          "What the plan does and costs, in a few lines for people.");
}

}  // namespace

void bind_clusters(nb::module_& module) {
  bind_method(module);
  bind_keys(module);
  bind_making(module);
  bind_state(module);
  bind_plan(module);
}

}  // namespace santa::python
