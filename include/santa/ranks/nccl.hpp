// NcclRanks: GPUs that NCCL connects. Include where nccl.h is, and link NCCL.
#pragma once

#include <santa/ranks/communicator.hpp>
#include <santa/ranks/ranks.hpp>

#include <Kokkos_Core.hpp>

#include <nccl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace santa {

/// Options of NcclRanks.
struct NcclOptions {
  /// Whether ranks see before each exchange that they agree, by one of 16 bytes more that the host waits for: not while
  /// a graph is captured. Without it, ranks that call for blocks of different sizes, or for more exchanges than others,
  /// wait for each other without end; those of other seeds, steps or lengths give NaN (Statistics::shards_disagree).
  bool checked = false;
};

/// The ranks of an NCCL communicator, each with a GPU of its own: one a process or one a thread. Exchanges are enqueued
/// on the execution space's stream, and can be captured in a graph with all else of a step. The communicator is the
/// caller's, to be made and destroyed, and outlives this.
/// Errors: RankError where NCCL says no, or `checked` ranks do not agree. A rank that is gone shows as such where NCCL
/// tells the others (ncclCommGetAsyncError, looked at before each exchange); ncclCommAbort ends what waits for it.
class NcclRanks {
 public:
  explicit NcclRanks(ncclComm_t ranks, const NcclOptions& options = {}) : _ranks(ranks), _options(options) {
    require(ncclCommUserRank(_ranks, &_rank), "ncclCommUserRank");
    require(ncclCommCount(_ranks, &_size), "ncclCommCount");
  }

  [[nodiscard]] int rank() const { return _rank; }
  [[nodiscard]] int size() const { return _size; }

  template <class Space>
    requires requires(const Space& space) { space.cuda_stream(); }
  void all_gather(const Space& space, void* all, std::size_t bytes, std::uint64_t ticket) const {
    ncclResult_t before = ncclSuccess;
    require(ncclCommGetAsyncError(_ranks, &before), "ncclCommGetAsyncError");
    require(before, "an exchange before");
    if (_options.checked && !is_captured(space)) greet(space, {bytes, ticket});
    gather(space, all, bytes);
  }

 private:
  template <class Space>
  void gather(const Space& space, void* all, std::size_t bytes) const {
    const auto* const own = static_cast<const std::byte*>(all) + static_cast<std::size_t>(_rank) * bytes;
    require(ncclAllGather(own, all, bytes, ncclUint8, _ranks, space.cuda_stream()), "ncclAllGather");
  }

  template <class Space>
  static bool is_captured(const Space& space) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(space.cuda_stream(), &status) != cudaSuccess)
      throw RankError("cudaStreamIsCapturing failed");
    return status != cudaStreamCaptureStatusNone;
  }

  /// Errors: RankError where ranks do not agree.
  template <class Space>
  void greet(const Space& space, const detail::Greeting& own) const {
    const auto size = static_cast<std::size_t>(_size);
    const Kokkos::View<detail::Greeting*, typename Space::memory_space> there("santa::greetings", size);
    const auto here = Kokkos::create_mirror_view(there);
    here(static_cast<std::size_t>(_rank)) = own;
    Kokkos::deep_copy(space, there, here);
    gather(space, there.data(), sizeof(detail::Greeting));
    Kokkos::deep_copy(space, here, there);
    space.fence("santa::NcclRanks::all_gather");
    detail::require_agreement(here.data(), _size);
  }

  static void require(ncclResult_t result, const char* what) {
    if (result != ncclSuccess) throw RankError(std::string(what) + " failed: " + ncclGetErrorString(result));
  }

  ncclComm_t _ranks;
  NcclOptions _options;
  int _rank = 0;
  int _size = 1;
};

}  // namespace santa
