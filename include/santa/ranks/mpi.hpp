// MpiRanks: ranks that MPI connects. Include where mpi.h is, and link MPI.
#pragma once

#include <santa/core/check.hpp>
#include <santa/ranks/communicator.hpp>
#include <santa/ranks/ranks.hpp>

#include <Kokkos_Core.hpp>

#include <mpi.h>

#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace santa {

/// How long ranks wait for each other.
struct MpiOptions {
  double seconds = 60.;  // in one exchange; more than 0
};

/// The ranks of an MPI communicator, of which this has a duplicate: no message of others' is in the way. MPI 3 or
/// later. An exchange waits for all ranks, and fences. Blocks go through host memory; a GPU's are copied there and
/// back. Before each, ranks send 16 bytes by which they see that they agree: on the block's size and on their tickets.
/// Errors: RankError, on all ranks, where they do not agree; where one does not come within `seconds`, as one that has
/// ended or failed does not, or MPI says no. Nothing is exchanged after the last two: the object is of no more use
/// then, and MPI_Abort the way to end. It may outlive MPI_Finalize.
class MpiRanks {
 public:
  /// Called by all ranks of `ranks`. Errors: std::invalid_argument: name, given, accepted; RankError.
  explicit MpiRanks(MPI_Comm ranks, const MpiOptions& options = {}) : _shared(std::make_shared<Shared>()) {
    if (!(options.seconds > 0.)) detail::reject("seconds", std::to_string(options.seconds), "more than 0");
    _shared->seconds = options.seconds;
    require(MPI_Comm_dup(ranks, &_shared->ranks), "MPI_Comm_dup");
    require(MPI_Comm_set_errhandler(_shared->ranks, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    require(MPI_Comm_rank(_shared->ranks, &_rank), "MPI_Comm_rank");
    require(MPI_Comm_size(_shared->ranks, &_size), "MPI_Comm_size");
    _shared->greetings.resize(static_cast<std::size_t>(_size));
  }

  [[nodiscard]] int rank() const { return _rank; }
  [[nodiscard]] int size() const { return _size; }

  template <class Space>
  void all_gather(const Space& space, void* all, std::size_t bytes, std::uint64_t ticket) const {
    detail::require(bytes <= INT_MAX, "bytes of a rank", static_cast<std::int64_t>(bytes), "less than 2^31");
    if (_shared->broken) throw RankError("an exchange of these ranks has failed before");
    greet({bytes, ticket});
    using There = Kokkos::View<std::byte*, typename Space::memory_space, Kokkos::MemoryUnmanaged>;
    using Here = Kokkos::View<std::byte*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;
    std::vector<std::byte>& blocks = _shared->blocks;
    if (blocks.size() < bytes * static_cast<std::size_t>(_size)) blocks.resize(bytes * static_cast<std::size_t>(_size));
    const std::size_t own = bytes * static_cast<std::size_t>(_rank);
    Kokkos::deep_copy(space, Here(blocks.data() + own, bytes), There(static_cast<std::byte*>(all) + own, bytes));
    space.fence("santa::MpiRanks::all_gather");
    gather(blocks.data(), static_cast<int>(bytes));
    const std::size_t count = bytes * static_cast<std::size_t>(_size);
    Kokkos::deep_copy(space, There(static_cast<std::byte*>(all), count), Here(blocks.data(), count));
    space.fence("santa::MpiRanks::all_gather");  // the next exchange may be of other ranks' pace
  }

 private:
  /// Of all copies. What MPI may still write after a failure is never freed.
  struct Shared {
    Shared() = default;
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    Shared(Shared&&) = delete;
    Shared& operator=(Shared&&) = delete;
    ~Shared() {
      int ended = 0;
      MPI_Finalized(&ended);
      if (ended == 0 && ranks != MPI_COMM_NULL && !broken) MPI_Comm_free(&ranks);
    }

    MPI_Comm ranks = MPI_COMM_NULL;
    double seconds = 0.;
    bool broken = false;
    std::vector<detail::Greeting> greetings;
    std::vector<std::byte> blocks;
  };

  /// Errors: RankError where ranks do not agree.
  void greet(const detail::Greeting& own) const {
    auto& greetings = _shared->greetings;
    greetings[static_cast<std::size_t>(_rank)] = own;
    gather(greetings.data(), sizeof(detail::Greeting));
    detail::require_agreement(greetings.data(), _size);
  }

  /// Of blocks in memory that is the object's own. Errors: RankError.
  void gather(void* all, int bytes) const {
    MPI_Request request = MPI_REQUEST_NULL;
    require(MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, bytes, MPI_BYTE, _shared->ranks, &request),
            "MPI_Iallgather");
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    for (int done = 0;;) {
      require(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      if (done != 0) return;
      if (std::chrono::duration<double>(Clock::now() - begin).count() > _shared->seconds)
        fail("a rank has not come to an exchange within " + std::to_string(_shared->seconds) + " s: it may have ended");
      std::this_thread::yield();  // ranks may share a core
    }
  }

  void require(int result, const char* what) const {
    if (result == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = {};
    int length = 0;
    MPI_Error_string(result, text, &length);
    fail(std::string(what) + " failed: " + text);
  }
  [[noreturn]] void fail(const std::string& text) const {
    _shared->broken = true;
    static_cast<void>(new std::shared_ptr<Shared>(_shared));  // MPI may write yet
    throw RankError(text);
  }

  std::shared_ptr<Shared> _shared;
  int _rank = 0;
  int _size = 1;
};

}  // namespace santa
