// Ranks that are threads of one process, and take turns.
#pragma once

#include <santa/core/check.hpp>
#include <santa/ranks/communicator.hpp>
#include <santa/ranks/ranks.hpp>

#include <Kokkos_Core.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace santa {

namespace detail {

/// That another rank has ended: what it ended by says more.
class RankGone : public RankError {
 public:
  explicit RankGone(const std::string& before) : RankError("a rank has ended before " + before) {}
};

/// Where the ranks of one process meet. Between exchanges one of them runs at a time, as Kokkos' host spaces need it.
class MeetingPlace {
 public:
  explicit MeetingPlace(int size) : _blocks(static_cast<std::size_t>(size)), _greetings(_blocks.size()) {}

  [[nodiscard]] int size() const { return static_cast<int>(_blocks.size()); }

  /// A rank begins: it waits for its turn.
  void enter() { _turn.lock(); }
  /// A rank is done; those that wait for it are told.
  void leave() {
    ++_gone;
    _met.notify_all();
    _turn.unlock();
  }
  /// The n-th exchange: returns when all have come and copy(blocks of all) is done. Errors: RankError.
  template <class Copy>
  void meet(int rank, void* block, const Greeting& greeting, const Copy& copy) {
    struct Turn {  // which the rank keeps whatever happens: `leave` ends it
      std::unique_lock<std::mutex> lock;
      ~Turn() { lock.release(); }
    } turn{std::unique_lock(_turn, std::adopt_lock)};
    const auto wait_for_all = [&](const char* what) {
      if (_gone > 0) throw RankGone(what);  // no exchange is whole any more
      const std::int64_t round = _round;
      if (++_waiting == size()) {
        _waiting = 0;
        ++_round;
        _met.notify_all();
      }
      _met.wait(turn.lock, [&] { return _round != round || _gone > 0; });
      if (_round == round) throw RankGone(what);
    };
    _blocks[static_cast<std::size_t>(rank)] = block;
    _greetings[static_cast<std::size_t>(rank)] = greeting;
    wait_for_all("an exchange");
    std::exception_ptr error;
    try {
      require_agreement(_greetings.data(), size());
      copy(_blocks);
    } catch (...) {
      error = std::current_exception();
    }
    wait_for_all("the end of an exchange");  // nobody changes a block or a greeting that others still look at
    if (error != nullptr) std::rethrow_exception(error);
  }

 private:
  std::mutex _turn;
  std::condition_variable _met;
  std::vector<void*> _blocks;
  std::vector<Greeting> _greetings;
  int _waiting = 0, _gone = 0;
  std::int64_t _round = 0;
};

}  // namespace detail

/// A rank of `run_ranks`: a Communicator.
class ThreadRank {
 public:
  ThreadRank(detail::MeetingPlace& place, int rank) : _place(&place), _rank(rank) {}

  [[nodiscard]] int rank() const { return _rank; }
  [[nodiscard]] int size() const { return _place->size(); }

  /// Fences `space`. Errors: RankError where ranks disagree, or one has ended.
  template <class Space>
  void all_gather(const Space& space, void* all, std::size_t bytes, std::uint64_t ticket) const {
    using Bytes = Kokkos::View<std::byte*, typename Space::memory_space, Kokkos::MemoryUnmanaged>;
    space.fence("santa::ThreadRank::all_gather");
    auto* const own = static_cast<std::byte*>(all);
    _place->meet(_rank, own, {bytes, ticket}, [&](const std::vector<void*>& of_ranks) {
      for (std::size_t other = 0; other < of_ranks.size(); ++other)
        if (other != static_cast<std::size_t>(_rank))
          Kokkos::deep_copy(space, Bytes(own + other * bytes, bytes),
                            Bytes(static_cast<std::byte*>(of_ranks[other]) + other * bytes, bytes));
      space.fence("santa::ThreadRank::all_gather");
    });
  }

 private:
  detail::MeetingPlace* _place;
  int _rank;
};

/// Calls work(rank) on `size` threads, for what has several shards in one process: one of them runs at a time, until it
/// waits in an exchange or ends. Errors: what a rank throws, the lowest one's of several; that a rank has ended, which
/// others are told in place of waiting, only where none has thrown anything else.
template <class Work>
void run_ranks(int size, const Work& work) {
  detail::require(size >= 0, "size", size, "0 or more");
  detail::MeetingPlace place(size);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(size)), told(errors.size());
  std::vector<std::thread> threads;
  threads.reserve(errors.size());
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      place.enter();
      try {
        work(ThreadRank(place, rank));
      } catch (const detail::RankGone&) {
        told[static_cast<std::size_t>(rank)] = std::current_exception();
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
      }
      place.leave();
    });
  for (std::thread& thread : threads) thread.join();
  errors.insert(errors.end(), told.begin(), told.end());
  for (const std::exception_ptr& error : errors)
    if (error != nullptr) std::rethrow_exception(error);
}

}  // namespace santa
