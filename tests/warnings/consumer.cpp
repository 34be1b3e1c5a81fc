// Whatever a program can call, compiled once for the warnings of the headers (SantaWarnings.cmake). Nothing of it runs.
#include <santa/santa.hpp>

#include <cstddef>
#include <cstdint>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;

template <class T>
using Cache = santa::ContiguousCache<View<T****>, View<T****>, View<std::int64_t*>>;

template <class T, class M, class AnyCache>
void decode_step(const M& method, const AnyCache& cache) {
  const View<T***> query, out;
  using Modifier = santa::Then<santa::SoftCap, santa::Window>;
  const santa::DecodePlan plan(Space{}, method, query, cache, {}, Modifier{{50.F}, {64}});
  const santa::DecodeState<Memory> state(Space{}, plan.shape());
  state.reset(Space{}, 0);
  state.permute(Space{}, Kokkos::View<const std::int32_t*, Memory>{});
  plan.run(Space{}, query, cache, out, {.seed = 1, .state = state});
  santa::decode(Space{}, method, query, cache, out);
  const santa::Alibi biases(View<const float*>{});
  const santa::DecodePlan biased(Space{}, method, query, cache, {},
                                 santa::Then<santa::SoftCap, santa::Alibi>{{}, biases});
  biased.run(Space{}, query, cache, out, {.sinks = View<const float*>{}});
  const View<const std::uint64_t*> seeds;
  plan.run(Space{}, query, cache, out, {.seed = seeds});
  const santa::PlanOptions in_place{.workspace = View<std::byte*>{}};
  static_cast<void>(santa::workspace_bytes(Space{}, method, plan.shape(), santa::cache_of<AnyCache>, in_place));
  const santa::AttentionStates<Memory> states(Space{}, plan.shape(), 2, true);
  plan.run_partial(Space{}, query, cache, states, 0);
  santa::merge(Space{}, states, out, {.sinks = View<const float*>{}});
  static_cast<void>(plan.describe());
}

template <class T>
void every_method() {
  const Cache<T> cache{View<T****>{}, View<T****>{}, View<std::int64_t*>{}};
  decode_step<T>(santa::Exact{}, cache);
  decode_step<T>(santa::MassUnit{.steered = true}, cache);
  decode_step<T>(santa::Systematic{}, cache);
  decode_step<T>(santa::Stratified{}, cache);
  decode_step<T>(santa::Multinomial{}, cache);
  decode_step<T>(santa::FixedTileBudget{}, cache);
  decode_step<T>(santa::ProportionalTileBudget{}, cache);
}

template <class T>
void every_table() {
  const View<T****> pool;
  const View<std::int32_t*> list;
  const santa::PagedCache paged{pool, pool, santa::PageTable{View<std::int32_t**>{}, list}};
  decode_step<T>(santa::MassUnit{}, paged);
  const santa::NarrowCache narrow{paged, santa::NarrowKeys<std::int8_t, Memory>{}};
  decode_step<T>(santa::MassUnit{}, santa::rescored(narrow));
  santa::append(Space{}, paged, View<T***>{}, View<T***>{});
  santa::append(Space{}, narrow, pool, pool, list);
  decode_step<T>(santa::MassUnit{}, santa::PagedCache{pool, pool, santa::PageList{list, list, list, 64}});
}

template <class T, class Copy>
void decode_copy(const Copy& copy) {
  const Cache<T> cache{View<T****>{}, View<T****>{}, View<std::int64_t*>{}};
  if constexpr (requires { santa::calibrate(Space{}, cache, copy); }) santa::calibrate(Space{}, cache, copy);
  santa::encode_keys(Space{}, cache, copy);
  santa::encode_newest_keys(Space{}, cache, copy);
  const santa::NarrowCache narrow{cache, copy};
  decode_step<T>(santa::MassUnit{}, narrow);
  decode_step<T>(santa::MassUnit{}, santa::rescored(narrow));
}

template <class T>
void every_copy() {
  decode_copy<T>(santa::NarrowKeys<std::int8_t, Memory>{});
  decode_copy<T>(santa::NarrowKeys<santa::float8, Memory>{});
  decode_copy<T>(santa::NarrowKeys<santa::int4x2, Memory>{});
  decode_copy<T>(santa::LowRankKeys<T, Memory>{});
  decode_copy<T>(santa::SparseKeys<Memory>{});
}

template <class T>
void every_choice_of_features() {
  const Cache<T> cache{View<T****>{}, View<T****>{}, View<std::int64_t*>{}};
  const santa::FeatureKeys<T, Memory> keys;
  santa::transpose_keys(Space{}, cache, keys);
  santa::append_keys(Space{}, cache, keys);
  const santa::FeatureCache features{cache, keys, santa::AnyFeatures{santa::Bernoulli{}}};
  santa::choose_features(Space{}, View<T***>{}, features, View<float***>{});
  decode_step<T>(santa::MassUnit{}, features);
  decode_step<T>(santa::MassUnit{}, santa::rescored(features));
}

template <class T, class M>
void rows(const M& method) {
  const santa::DrawnRows<Memory> drawn;
  santa::draw_rows(Space{}, method, View<T**>{}, drawn, {.seed = 1});
}

template <class T>
void every_stage() {
  rows<float>(santa::MassUnit{});
  rows<double>(santa::Systematic{});
  rows<double>(santa::Multinomial{});
  santa::gather_add(Space{}, santa::DrawnRows<Memory>{}, View<T**>{}, View<float**>{});
  santa::merge(Space{}, santa::PartialStates{View<float***>{}, View<float**>{}}, View<float**>{}, View<float*>{});
  const santa::TokenSampler<Space> sampler{Space{}, {.batch = 1, .vocab = 64, .dim = 8}};
  sampler.run(Space{}, View<T**>{}, View<T**>{}, View<std::int32_t*>{}, {.temperature = 0.8F});
  santa::merge_tokens(Space{}, santa::TokenShards{View<std::int32_t**>{}, View<float**>{}}, View<std::int32_t*>{});
}

template <class T>
void everything() {
  every_method<T>();
  every_table<T>();
  every_copy<T>();
  every_choice_of_features<T>();
  every_stage<T>();
}

}  // namespace

int main() {
  everything<float>();
  everything<santa::half>();
  everything<santa::bfloat16>();
}
