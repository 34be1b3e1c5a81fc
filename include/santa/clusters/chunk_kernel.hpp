// The kernels that make clusters of chunks' keys, phase by phase.
#pragma once

#include <santa/clusters/chunk_phases.hpp>
#include <santa/clusters/chunk_team.hpp>
#include <santa/clusters/layout.hpp>
#include <santa/core/build.hpp>
#include <santa/core/lengths.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// One phase of clustering chunks, `parts` teams a chunk: of all chunks of a batch in turn, from `first_job` on.
template <class Addresses>
struct ChunkKernel {
  Addresses addresses;
  Lengths lengths;
  ClusterArrays arrays;
  ClusterWork work;
  ChunkPhases phases;
  std::int64_t length, first_job;  // storage
  std::int32_t dim, parts, phase;

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const std::int64_t place = member.league_rank() / parts;
    const std::int64_t row = (first_job + place) / arrays.chunks;
    const std::int64_t chunk = (first_job + place) % arrays.chunks;
    if ((chunk + 1) * arrays.chunk > lengths.clamped(row / arrays.kv_heads, length)) return;
    run(member, place, row, chunk, phase);
  }

  template <class Member>
  KOKKOS_FUNCTION void run(const Member& member, std::int64_t place, std::int64_t row, std::int64_t chunk,
                           int number) const {
    const std::int64_t batch = row / arrays.kv_heads;
    const std::int64_t kv_head = row % arrays.kv_heads;
    const ClusterChunk to(arrays, batch, kv_head, chunk);
    const auto keys = addresses.keys(batch, kv_head);
    const auto values = addresses.values(batch, kv_head);
    const ChunkTeam team(member, {member.league_rank() % parts, parts}, arrays, to, work, place, keys, values,
                         chunk * arrays.chunk, dim);
    team.work(phases, number);
  }
};

/// How far the chunk of each request that is worked on has come: [batch].
struct ChunkProgress {
  std::int32_t* begun;    // of the clusters: the chunk, counted from 1; 0: none, any work on one is forgotten
  std::int32_t* phase;    // of the chunk that is begun
  std::int32_t* arrived;  // teams that are done with it
};

/// The next phase, for each request, of the chunk behind those that are clustered, where it is full. The last team of a
/// request to be done counts the phase, or the chunk. Where no chunk is full any work on one is forgotten.
template <class Addresses>
struct NewestChunkKernel {
  ChunkKernel<Addresses> all;
  ChunkProgress progress;

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const ClusterArrays& arrays = all.arrays;
    const std::int64_t row = member.league_rank() / all.parts;
    const std::int64_t batch = row / arrays.kv_heads;
    const std::int64_t chunk = arrays.clustered[batch];
    const bool full =
        chunk >= 0 && chunk < arrays.chunks && (chunk + 1) * arrays.chunk <= all.lengths.clamped(batch, all.length);
    const std::int32_t teams = arrays.kv_heads * all.parts;
    if (!full) {
      if (member.league_rank() % teams == 0)
        Kokkos::single(Kokkos::PerTeam(member), [&] { progress.begun[batch] = 0; });
      return;
    }
    const auto number = static_cast<std::int32_t>(chunk + 1);
    const std::int32_t phase = progress.begun[batch] == number ? progress.phase[batch] : 0;
    all.run(member, row, row, chunk, phase);
    Kokkos::memory_fence();
    member.team_barrier();
    Kokkos::single(Kokkos::PerTeam(member), [&] {
      if (Kokkos::atomic_fetch_add(&progress.arrived[batch], 1) != teams - 1) return;
      progress.arrived[batch] = 0;
      const bool done = phase + 1 == all.phases.all();
      progress.begun[batch] = done ? 0 : number;
      progress.phase[batch] = done ? 0 : phase + 1;
      if (done) ++arrays.clustered[batch];
    });
  }
};

/// Counts the chunks that ChunkKernel has made: all that are full. None is begun.
struct CountChunks {
  Lengths lengths;
  ClusterArrays arrays;
  std::int32_t* begun;
  std::int64_t length;

  KOKKOS_FUNCTION void operator()(const std::int64_t batch) const {
    const std::int64_t most = lengths.clamped(batch, length) / arrays.chunk;
    arrays.clustered[batch] = static_cast<std::int32_t>(most < arrays.chunks ? most : arrays.chunks);
    begun[batch] = 0;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
