// Kokkos in a Python process: when it begins and ends, where kernels run, and one thread at a time.
#pragma once

#include "arrays.hpp"

#include <nanobind/nanobind.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace santa::python {

/// The execution space of a call. On a host: the default one, whatever is given. On CUDA: of the stream that is given,
/// or else of the stream that the framework of `like` has current, or else the default stream.
/// Initializes Kokkos where nothing has. Errors: RuntimeError where it was finalized.
Space space_for(nb::handle stream, const Array& like);
Space default_space();
/// What tells streams of a device apart; 0 on a host.
std::uintptr_t stream_number(const Space& space);

/// What a call that launches kernels holds: the GIL is released, and other threads' calls wait.
class Launch {
 public:
  Launch() : _release(std::in_place), _lock(mutex()) {}
  ~Launch() { _release.reset(); }  // before the lock: whoever gets that at exit leaves none behind that needs the GIL
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  /// At exit: waits for the call that runs. Those of daemons that would follow wait for the process' end.
  static void stop();

 private:
  static std::mutex& mutex();

  std::optional<nb::gil_scoped_release> _release;  // before the lock: whoever has that needs the GIL to go on
  std::lock_guard<std::mutex> _lock;
};

/// Has a state forget all steps, or those of one request.
template <class State>
void reset_state(const State& state, std::optional<std::int64_t> request, nb::handle stream) {
  const Space space = space_for(stream, {});
  const Launch launch;
  if (request.has_value())
    state.reset(space, *request);
  else
    state.reset(space);
}

/// Counts objects that own memory of Kokkos: while there are any, Kokkos is not finalized.
class OwnsMemory {
 public:
  OwnsMemory() { change(1); }
  OwnsMemory(const OwnsMemory& /*other*/) { change(1); }
  OwnsMemory& operator=(const OwnsMemory&) = default;
  ~OwnsMemory() { change(-1); }

 private:
  static void change(int by);
};

void bind_session(nb::module_& module);

}  // namespace santa::python
