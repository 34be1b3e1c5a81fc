// The kernel that notes how the keys of all requests are cut, and in which order their splits are taken.
#pragma once

#include <santa/core/balance.hpp>
#include <santa/core/build.hpp>
#include <santa/core/lengths.hpp>
#include <santa/schedule/cut.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Fills a Balance from lengths, by one team. Splits come in the order of classes of their length, four to an octave,
/// the longest first; within a class, in the order of requests: always the same. Reads: each length once, then 16 bytes
/// a request and class, from the first cache. Writes: 16 bytes a request, 8 bytes a split.
struct FillBalance {
  static constexpr int classes = 64;
  static constexpr int shares = 16;  // of the requests, in which those of a class are looked for side by side
  static constexpr int scratch_bytes = classes * shares * int{sizeof(std::int32_t)};

  /// So many requests are looked at by each other, which takes fewer steps than to sort more into classes.
  static constexpr int few =
      scratch_bytes / int{sizeof(RequestSplits)} < 128 ? scratch_bytes / int{sizeof(RequestSplits)} : 128;

  Cut cut;
  Lengths lengths;
  std::int64_t storage;
  std::int32_t batch;
  Balance balance;

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    auto* const place = static_cast<std::int32_t*>(
        member.team_scratch(0).get_shmem_aligned(int{scratch_bytes}, int{alignof(RequestSplits)}));
    if (batch > 0 && batch <= few) return fill_few(member, reinterpret_cast<RequestSplits*>(place));
    cut_requests(member);
    member.team_barrier();
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, classes * shares), [&](const int i) {
      std::int32_t sum = 0;
      for_requests(i, [&](std::int32_t request) { sum += balance.requests[request].count; });
      place[i] = sum;
    });
    member.team_barrier();
    Kokkos::parallel_scan(Kokkos::TeamThreadRange(member, classes * shares),
                          [&](const int i, std::int32_t& before, const bool known) {
                            const std::int32_t own = place[i];
                            if (known) place[i] = before;
                            before += own;
                          });
    member.team_barrier();
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, classes * shares), [&](const int i) {
      std::int32_t at = place[i];
      for_requests(i, [&](std::int32_t request) {
        const std::int32_t count = balance.requests[request].count;
        for (std::int32_t split = 0; split < count; ++split) balance.order[at++] = {request, split};
      });
    });
  }

 private:
  [[nodiscard]] KOKKOS_FUNCTION bool is_apart(const RequestSplits& splits) const {
    return splits.count > cut.most_merged;
  }

  template <class Member>
  KOKKOS_FUNCTION void fill_few(const Member& member, RequestSplits* all) const {
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, batch),
                         [&](const std::int32_t i) { all[i] = cut.of(lengths.clamped(i, storage)); });
    member.team_barrier();
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, batch), [&](const std::int32_t i) {
      RequestSplits own = all[i];
      std::int32_t place = 0, apart = 0;
      for (std::int32_t j = 0; j < batch; ++j) {
        const RequestSplits other = all[j];
        const bool longer = class_of(other.steps) < class_of(own.steps);
        const bool alike = class_of(other.steps) == class_of(own.steps);
        own.before += j < i ? other.count : 0;
        apart += j < i && is_apart(other) ? 1 : 0;
        place += longer || (alike && j < i) ? other.count : 0;
      }
      balance.requests[i] = own;
      if (is_apart(own)) balance.apart[apart] = i;
      if (i == batch - 1) {
        balance.requests[batch].before = own.before + own.count;
        balance.requests[batch].count = apart + (is_apart(own) ? 1 : 0);
      }
      for (std::int32_t split = 0; split < own.count; ++split) balance.order[place + split] = {i, split};
    });
  }

  template <class Member>
  KOKKOS_FUNCTION void cut_requests(const Member& member) const {
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, batch),
                         [&](const std::int32_t i) { balance.requests[i] = cut.of(lengths.clamped(i, storage)); });
    member.team_barrier();
    Kokkos::parallel_scan(Kokkos::TeamThreadRange(member, batch + 1),
                          [&](const std::int32_t i, std::int32_t& before, const bool known) {
                            if (known) balance.requests[i].before = before;
                            before += i < batch ? balance.requests[i].count : 0;
                          });
    const auto comes_apart = [&](std::int32_t i) { return i < batch && is_apart(balance.requests[i]); };
    Kokkos::parallel_scan(Kokkos::TeamThreadRange(member, batch + 1),
                          [&](const std::int32_t i, std::int32_t& place, const bool known) {
                            if (known && comes_apart(i)) balance.apart[place] = i;
                            if (known && i == batch) balance.requests[batch].count = place;
                            place += comes_apart(i) ? 1 : 0;
                          });
  }

  /// Calls f(request) for those of the i-th share of a class: classes one after the other, of each its shares.
  template <class F>
  KOKKOS_FUNCTION void for_requests(int i, const F& f) const {
    const std::int64_t share = i % shares;
    const auto end = static_cast<std::int32_t>((share + 1) * batch / shares);
    for (auto request = static_cast<std::int32_t>(share * batch / shares); request < end; ++request)
      if (class_of(balance.requests[request].steps) == i / shares) f(request);
  }

  /// 0 for the longest. The splits of a request count by what all but its last are.
  KOKKOS_FUNCTION static int class_of(std::int32_t steps) {
    const int octave = 31 - Kokkos::countl_zero(static_cast<std::uint32_t>(steps));
    const int quarter = (octave >= 2 ? steps >> (octave - 2) : steps << (2 - octave)) & 3;
    const int size = 4 * octave + quarter;
    return size < classes ? classes - 1 - size : 0;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
