// The C++ of docs/narrow_keys.md, docs/feature_keys.md, docs/score_stages.md, docs/clusters.md and
// docs/scaled_caches.md.
#include "given.hpp"

void narrow(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out) {
  // [narrow]
  santa::NarrowKeys<santa::int4x2, Memory> narrow{space, cache.shape()};  // or std::int8_t, santa::float8
  santa::calibrate(space, cache, narrow);                                 // mean and spread of each channel
  santa::encode_keys(space, cache, narrow);                               // all keys, once
  santa::encode_newest_keys(space, cache, narrow);  // the token that a step has appended; no other

  const santa::NarrowCache by_codes{cache, narrow};  // scores by the codes
  const auto by_both = santa::rescored(by_codes);    // and the drawn rows' again by their keys
  santa::DecodePlan plan{space, santa::MassUnit{.rows = santa::share(0.1)}, query, by_both};
  plan.run(space, query, by_both, out, {.seed = 7});
  // [/narrow]
}

void features(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out,
              const View<float***>& coefficients) {
  const santa::Exact method;
  // [features]
  santa::FeatureKeys<santa::bfloat16, Memory> copy{space, cache.shape()};
  santa::transpose_keys(space, cache, copy);  // all keys, once
  santa::append_keys(space, cache, copy);     // the token that a step has appended; no other

  const santa::FeatureCache by_features{cache, copy, santa::Bernoulli{}};
  const santa::DecodePlan plan{space, method, query, santa::rescored(by_features)};  // or by_features alone
  plan.run(space, query, santa::rescored(by_features), out, {.seed = 7});
  santa::choose_features(space, query, by_features, coefficients, {.seed = 7});  // the choice by itself
  // [/features]
}

void projected(const Space& space, const Cache& cache, int rank) {
  // [low-rank]
  santa::LowRankKeys<santa::bfloat16, Memory> low{space, cache.shape(), rank};
  santa::calibrate(space, cache, low);  // or write low.projection, a matrix P for each kv head
  santa::encode_keys(space, cache, low);
  // [/low-rank]
}

void cut(const Space& space, const Cache& cache, int k, int query_k) {
  // [sparse]
  santa::SparseKeys<Memory> sparse{space, cache.shape(), k, query_k};
  santa::encode_keys(space, cache, sparse);
  // [/sparse]
}

void clusters(const Space& space, const View<float***>& query, const Cache& cache, const View<float***>& out,
              const View<float***>& new_keys, const View<float***>& new_values, std::uint32_t step, int layer) {
  const View<float**> bars;
  // [clusters]
  santa::ClusteredKeys<Memory> keys{space, cache.shape()};  // beside any cache, contiguous or in pages
  const auto by_clusters = santa::clustered(cache, keys);
  santa::cluster_keys(space, by_clusters);                  // all full chunks, once (a prompt)
  const santa::NewestClusters<Memory> newest{space, keys};  // its working memory

  santa::ClusterPlan plan{space, santa::Clusters{.bytes = 1. / 8}, query, by_clusters};
  const santa::ClusterState<Memory> state{space, plan.shape()};
  // a step:
  santa::append(space, cache, new_keys, new_values);
  newest.run(space, by_clusters);  // a part of clustering a chunk that is full
  plan.run(space, query, by_clusters, out, {.seed = 7, .step = step, .stream = layer, .error = bars, .state = state});
  // [/clusters]
}

void scaled(const View<santa::e4m3****>& keys, const View<santa::e4m3****>& values, const Lengths& lengths,
            const View<float*>& key_scales, const View<float*>& value_scales, const View<float***>& k_scales,
            const View<float***>& v_scales, const santa::PageTable<View<std::int32_t**>, Lengths>& table) {
  // [scaled]
  using santa::Scaled;
  santa::ContiguousCache whole{Scaled{keys, santa::TensorScale{0.02F}}, Scaled{values, santa::TensorScale{0.03F}},
                               lengths};
  santa::ContiguousCache heads{Scaled{keys, santa::HeadScales{key_scales}},
                               Scaled{values, santa::HeadScales{value_scales}}};
  santa::PagedCache paged{Scaled{keys, santa::TokenScales{k_scales}}, Scaled{values, santa::TokenScales{v_scales}},
                          table};
  // [/scaled]
  (void)whole.shape();
  (void)heads.shape();
  (void)paged.shape();
}

void of_two_dims(const Space& space, const View<float***>& query, const Cache& cache) {
  const santa::Exact method;
  // [dims]
  santa::DecodePlan plan{
      space, method, query, cache, {}, santa::Identity{}, santa::KernelSet<16, santa::dims(192, 128)>{}};
  // [/dims]
  (void)plan.describe();
}
