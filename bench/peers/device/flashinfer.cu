#include "flashinfer.hpp"

#include <flashinfer/utils.cuh>
// One number of query heads a kv head, and devices with asynchronous copies: a quarter of the kernels.
#undef DISPATCH_GQA_GROUP_SIZE
#define DISPATCH_GQA_GROUP_SIZE(group_size, GROUP_SIZE, ...) \
  {                                                          \
    constexpr size_t GROUP_SIZE = 4;                         \
    __VA_ARGS__                                              \
  }
#undef DISPATCH_COMPUTE_CAP_DECODE_NUM_STAGES_SMEM
#define DISPATCH_COMPUTE_CAP_DECODE_NUM_STAGES_SMEM(capacity, STAGES, ...) \
  {                                                                        \
    constexpr uint32_t STAGES = 2;                                         \
    __VA_ARGS__                                                            \
  }
#include <cmath>
#include <cstddef>
#include <flashinfer/attention/decode.cuh>
#include <flashinfer/attention/default_decode_params.cuh>
#include <flashinfer/attention/default_prefill_params.cuh>
#include <flashinfer/attention/prefill.cuh>
#include <flashinfer/attention/scheduler.cuh>
#include <flashinfer/attention/variants.cuh>
#include <stdexcept>
#include <string>
#include <utility>

namespace santa_bench {

namespace {

namespace fi = flashinfer;

constexpr std::uint32_t heads = 32, kv_heads = 8, dim = 128;
constexpr auto no_positions = fi::PosEncodingMode::kNone;
constexpr bool dependent_launch = true;  // as its own package does on such a device
constexpr std::size_t number_bytes = std::size_t{512} << 20U, index_bytes = std::size_t{16} << 20U;
using Query = __nv_bfloat16;
using Attention = fi::DefaultAttention<false, false, false, false>;
template <class Number>
using DecodeParams = fi::BatchDecodeParams<Query, Number, Query, std::int32_t>;
template <class Number>
using PrefillParams = fi::BatchPrefillPagedParams<Query, Number, Query, std::int32_t>;

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

/// Memory of a device, or of a host's that a device reads.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes, bool on_host = false) : _on_host(on_host) {
    check(on_host ? cudaMallocHost(&_data, bytes) : cudaMalloc(&_data, bytes), "memory for FlashInfer");
  }
  explicit Buffer(const std::vector<std::int32_t>& numbers) : Buffer(numbers.size() * sizeof(std::int32_t)) {
    check(cudaMemcpy(_data, numbers.data(), numbers.size() * sizeof(std::int32_t), cudaMemcpyHostToDevice), "indices");
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { _on_host ? cudaFreeHost(_data) : cudaFree(_data); }

  [[nodiscard]] void* data() const { return _data; }
  template <class T>
  [[nodiscard]] T* at(std::int64_t offset) const {
    return fi::GetPtrFromBaseOffset<T>(_data, offset);
  }

 private:
  void* _data = nullptr;
  bool _on_host;
};

std::vector<std::int32_t> firsts_of(const PagedStep& step) {
  std::vector<std::int32_t> firsts;
  for (std::int32_t request = 0; request <= step.batch; ++request) firsts.push_back(request * step.tokens);
  return firsts;
}

}  // namespace

struct FlashInfer::Plan {
  Plan(const PagedStep& given, FlashInferPath its_path, cudaStream_t its_stream)
      : step(given), path(its_path), stream(its_stream) {
    if (path == FlashInferPath::tensor_cores)
      plan_prefill();
    else if (step.tokens > 1)
      throw std::runtime_error("FlashInfer's decode kernel takes one token");
    else if (step.e4m3)
      plan_decode<__nv_fp8_e4m3>();
    else
      plan_decode<__nv_bfloat16>();
    check(cudaStreamSynchronize(stream), "FlashInfer's plan");
  }

  template <class Number>
  void plan_decode() {
    using Params = DecodeParams<Number>;
    const auto estimate =
        fi::BatchDecodeWithPagedKVCacheWorkEstimationDispatched<4, dim, no_positions, Attention, Params>;
    check(fi::DecodePlan<dim, no_positions, Attention, Params>(
              numbers.data(), number_bytes, indices.data(), pinned.data(), index_bytes, decode, step.indptr.data(),
              static_cast<std::uint32_t>(step.batch), heads, static_cast<std::uint32_t>(step.page_size), false, stream,
              estimate),
          "FlashInfer's plan");
  }

  void plan_prefill() {
    std::vector<std::int32_t> firsts = firsts_of(step);
    constexpr std::int32_t no_window = -1, no_fixed_split = -1;
    check(fi::PrefillPlan<std::int32_t>(
              numbers.data(), number_bytes, indices.data(), pinned.data(), index_bytes, prefill, firsts.data(),
              step.indptr.data(), static_cast<std::uint32_t>(firsts.back()), static_cast<std::uint32_t>(step.batch),
              heads, kv_heads, dim, dim, static_cast<std::uint32_t>(step.page_size), false, sizeof(Query), no_window,
              no_fixed_split, false, 0, 0, stream, step.e4m3 ? 1U : 2U),
          "FlashInfer's plan");
    if (prefill.cta_tile_q != 16) throw std::runtime_error("FlashInfer chose tiles that were not compiled");
  }

  template <class Number>
  [[nodiscard]] auto cache(const void* keys, const void* values) const {
    const auto rows = [](const void* data) { return static_cast<Number*>(const_cast<void*>(data)); };
    return fi::paged_kv_t<Number, std::int32_t>(kv_heads, static_cast<std::uint32_t>(step.page_size), dim,
                                                static_cast<std::uint32_t>(step.batch), fi::QKVLayout::kNHD, rows(keys),
                                                rows(values), pages.at<std::int32_t>(0),
                                                page_firsts.at<std::int32_t>(0), last_page_keys.at<std::int32_t>(0));
  }
  [[nodiscard]] float scale() const { return step.key_scale / std::sqrt(static_cast<float>(dim)); }

  /// What its two kinds of arguments have in common.
  template <class Params, class Number>
  void set(Params& params, const void* query, const void* keys, const void* values, void* out) const {
    params.q = static_cast<Query*>(const_cast<void*>(query));
    params.paged_kv = cache<Number>(keys, values);
    params.o = static_cast<Query*>(out);
    params.num_qo_heads = heads;
    params.q_stride_n = heads * dim;
    params.q_stride_h = dim;
    params.window_left = -1;
    params.sm_scale = scale();
    params.rope_rcp_scale = 1.F;
    params.rope_rcp_theta = 1.F;
  }

  template <class Number>
  void run_decode(const void* query, const void* keys, const void* values, void* out) const {
    DecodeParams<Number> params;
    set<DecodeParams<Number>, Number>(params, query, keys, values, out);
    params.request_indices = indices.at<std::int32_t>(decode.request_indices_offset);
    params.kv_tile_indices = indices.at<std::int32_t>(decode.kv_tile_indices_offset);
    params.o_indptr = indices.at<std::int32_t>(decode.o_indptr_offset);
    params.kv_chunk_size_ptr = indices.at<std::int32_t>(decode.kv_chunk_size_ptr_offset);
    params.padded_batch_size = static_cast<std::uint32_t>(decode.padded_batch_size);
    check(fi::BatchDecodeWithPagedKVCacheDispatched<dim, no_positions, Attention>(
              params, decode.split_kv ? numbers.at<Query>(decode.v_offset) : nullptr,
              decode.split_kv ? numbers.at<float>(decode.s_offset) : nullptr, dependent_launch, stream),
          "FlashInfer's decode");
  }

  template <class Number, fi::MaskMode mask>
  void run_prefill(const void* query, const void* keys, const void* values, void* out) const {
    PrefillParams<Number> params;
    set<PrefillParams<Number>, Number>(params, query, keys, values, out);
    params.q_indptr = query_firsts.at<std::int32_t>(0);
    params.group_size = fi::uint_fastdiv(heads / kv_heads);
    params.request_indices = indices.at<std::int32_t>(prefill.request_indices_offset);
    params.qo_tile_indices = indices.at<std::int32_t>(prefill.qo_tile_indices_offset);
    params.kv_tile_indices = indices.at<std::int32_t>(prefill.kv_tile_indices_offset);
    params.o_indptr = indices.at<std::int32_t>(prefill.o_indptr_offset);
    params.kv_chunk_size_ptr = indices.at<std::int32_t>(prefill.kv_chunk_size_ptr_offset);
    if (prefill.split_kv) params.merge_indptr = indices.at<std::int32_t>(prefill.merge_indptr_offset);
    params.padded_batch_size = static_cast<std::uint32_t>(prefill.padded_batch_size);
    params.max_total_num_rows = static_cast<std::uint32_t>(prefill.total_num_rows);
    check(fi::BatchPrefillWithPagedKVCacheDispatched<16, dim, dim, no_positions, false, mask, Attention>(
              params, prefill.split_kv ? numbers.at<Query>(prefill.v_offset) : nullptr,
              prefill.split_kv ? numbers.at<float>(prefill.s_offset) : nullptr, dependent_launch, stream),
          "FlashInfer's prefill");
  }

  PagedStep step;
  FlashInferPath path;
  cudaStream_t stream;
  fi::DecodePlanInfo decode;
  fi::PrefillPlanInfo prefill;
  Buffer numbers{number_bytes}, indices{index_bytes}, pinned{index_bytes, true};
  Buffer pages{step.indices}, page_firsts{step.indptr}, last_page_keys{step.last_page_keys};
  Buffer query_firsts{firsts_of(step)};
};

FlashInfer::FlashInfer(const PagedStep& step, FlashInferPath path, cudaStream_t stream)
    : _plan(std::make_unique<Plan>(step, path, stream)) {}
FlashInfer::FlashInfer(FlashInfer&&) noexcept = default;
FlashInfer& FlashInfer::operator=(FlashInfer&&) noexcept = default;
FlashInfer::~FlashInfer() = default;

void FlashInfer::run(const void* query, const void* keys, const void* values, void* out) const {
  const auto call = [&](auto number) {
    using Number = decltype(number);
    if (_plan->path == FlashInferPath::cores)
      _plan->run_decode<Number>(query, keys, values, out);
    else if (_plan->step.tokens == 1)
      _plan->run_prefill<Number, fi::MaskMode::kNone>(query, keys, values, out);
    else
      _plan->run_prefill<Number, fi::MaskMode::kCausal>(query, keys, values, out);
  };
  if (_plan->step.e4m3)
    call(__nv_fp8_e4m3{});
  else
    call(__nv_bfloat16{});
}

}  // namespace santa_bench
