// The C++ of docs/serving.md.
#include "given.hpp"

using Pages = View<std::int32_t**>;
using PagesOfRequests = santa::PagedCache<Rows, Rows, santa::PageTable<Pages, Lengths>>;

void pages(const Rows& keys, const Rows& values, const Pages& table, const Lengths& lengths,
           const View<std::int32_t*>& indptr, const View<std::int32_t*>& indices,
           const View<std::int32_t*>& last_page_length, std::int64_t largest_length) {
  // [pages]
  // keys, values [pages, page_size, kv_heads, dim]; table [batch, max_pages], int32
  santa::PagedCache paged{keys, values, santa::PageTable{table, lengths}};
  santa::PagedCache listed{keys, values, santa::PageList{indptr, indices, last_page_length, largest_length}};
  // [/pages]
  (void)paged.shape();
  (void)listed.shape();
}

void append(const Space& space, const PagesOfRequests& paged, const View<santa::bfloat16***>& new_keys,
            const View<santa::bfloat16***>& new_values, const View<std::int32_t*>& indptr) {
  // [append]
  santa::append(space, paged, new_keys, new_values);          // [batch, kv_heads, dim]: a token of each request
  santa::append(space, paged, new_keys, new_values, indptr);  // [all tokens, kv_heads, dim]: any number of each
  // [/append]
}

void layers(const Space& space, const View<float***>& query, const PagesOfRequests& cache, const View<float***>& out,
            int number_of_layers) {
  const santa::DecodePlan plan{space, santa::Exact{}, query, cache};
  // [schedule]
  santa::Schedule<Memory> schedule{space, plan.shape()};  // for all plans of this shape
  schedule.update(space, cache);                          // once a step: or by lengths alone, [batch]
  for (int layer = 0; layer < number_of_layers; ++layer)
    plan.run(space, query, cache, out, {.stream = layer, .schedule = schedule});
  // [/schedule]
}

void leaves(const Space& space, const santa::DecodeState<Memory>& state, const View<std::int32_t*>& order) {
  // [state]
  state.permute(space, order);  // the batch is reordered: row b is what row order(b) was
  state.reset(space, 3);        // another request takes seat 3: nothing is known of it
  // [/state]
}
