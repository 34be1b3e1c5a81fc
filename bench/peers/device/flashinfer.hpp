// FlashInfer's decode attention behind an interface that needs none of its headers, so that one file alone is compiled
// with them.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace santa_bench {

/// A step on a paged cache as FlashInfer takes it: 32 query heads on 8 kv heads of 128, bf16, keys in pools
/// [pages, page_size, kv_heads, dim]. Several tokens see their own keys alone (causal).
struct PagedStep {
  std::int32_t batch = 1;
  std::int32_t tokens = 1;  // of each request
  std::int32_t page_size = 16;
  bool e4m3 = false;                         // keys and values; otherwise bf16
  float key_scale = 1.F;                     // what a key is times its stored number
  std::vector<std::int32_t> indptr;          // [batch + 1], of the list of pages
  std::vector<std::int32_t> indices;         // pages of the pool
  std::vector<std::int32_t> last_page_keys;  // [batch], how many keys the last page has
};

/// Its two kernels for a step: scalar products by each thread, or by tensor cores (its prefill). The first takes one
/// token alone.
enum class FlashInferPath { cores, tensor_cores };

/// A step that is planned: for these lengths, with as many parts of the keys as it chooses.
class FlashInfer {
 public:
  /// Errors: std::runtime_error.
  FlashInfer(const PagedStep& step, FlashInferPath path, cudaStream_t stream);
  FlashInfer(FlashInfer&&) noexcept;
  FlashInfer& operator=(FlashInfer&&) noexcept;
  ~FlashInfer();

  /// Queues the step. Shapes: query, out [batch, tokens, 32, 128], bf16; values come without their scale.
  /// Errors: std::runtime_error.
  void run(const void* query, const void* keys, const void* values, void* out) const;

 private:
  struct Plan;
  std::unique_ptr<Plan> _plan;
};

}  // namespace santa_bench
