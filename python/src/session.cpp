// Kokkos in a Python process.
#include "session.hpp"

#include "plans.hpp"
#include <santa/core/check.hpp>

#include <compiled_names.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#if defined(SANTA_KERNELS)
#include <santa/decode/instruction_set.hpp>
#endif

namespace santa::python {
namespace {

std::atomic<int> owners{0};
bool initialized_here = false;
std::thread::id ended_by;  // under the GIL, as all here

/// Errors: RuntimeError where there is no GPU to run on: Kokkos would end the process.
void require_device() {
#if defined(KOKKOS_ENABLE_CUDA)
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error == cudaSuccess && devices > 0) return;
  const std::string reason = error == cudaSuccess ? "" : std::string(": ") + cudaGetErrorString(error);
  throw std::runtime_error("santa: this module is built for CUDA, and there is no GPU" + reason);
#endif
}

void begin(int threads) {
  if (ended_by == std::this_thread::get_id()) throw std::runtime_error("santa: called while the process ends");
  if (ended_by != std::thread::id()) const Launch forever;  // a daemon's
  if (Kokkos::is_finalized()) throw std::runtime_error("santa: called after Kokkos was finalized");
  if (Kokkos::is_initialized()) return;
  require_device();
  auto settings = Kokkos::InitializationSettings().set_disable_warnings(true);  // of thread binding
  if (threads > 0) settings.set_num_threads(threads);
  Kokkos::initialize(settings);
  initialized_here = true;
}

/// At exit. Objects that Python still holds then may own memory: the process' end takes both.
void end() {
  if (!initialized_here || !Kokkos::is_initialized()) return;
  ended_by = std::this_thread::get_id();
  Launch::stop();
  const nb::object threads = nb::module_::import_("threading").attr("active_count")();
  if (nb::cast<int>(threads) > 1) nb::set_leak_warnings(false);  // daemons keep what they hold
  forget_plans();
  Kokkos::fence("santa: exit");
  if (owners == 0) Kokkos::finalize();
}

nb::dict compiled_lists() {
  const std::pair<const char*, std::string_view> lists[] = {{"methods", compiled_methods},
                                                            {"types", compiled_types},
                                                            {"caches", compiled_caches},
                                                            {"extents", compiled_extents}};
  nb::dict result;
  for (const auto& [what, names] : lists) result[what] = nb::str(names.data(), names.size());
  return result;
}

void initialize(int threads) {
  santa::detail::require(threads >= 0, "threads", threads, "1 or more, or 0: OMP_NUM_THREADS, or all");
  if (Kokkos::is_initialized()) throw std::runtime_error("santa: initialize: Kokkos is initialized already");
  begin(threads);
}

#if defined(KOKKOS_ENABLE_CUDA)
/// A stream as a number, of an int, a torch.cuda.Stream or a cupy.cuda.Stream.
cudaStream_t stream_of(nb::handle stream) {
  nb::object number = nb::borrow(stream);
  for (const char* const name : {"cuda_stream", "ptr"})
    if (nb::hasattr(stream, name)) number = stream.attr(name);
  return reinterpret_cast<cudaStream_t>(nb::cast<std::uintptr_t>(number));
}

/// One space for each stream, made once: Kokkos takes memory for it, and waits for the stream where one is dropped.
/// They are left to the process' end, as a stream may be gone before Kokkos is.
Space kept_space(cudaStream_t stream) {
  static auto& spaces = *new std::map<cudaStream_t, Space>;  // under the GIL
  return spaces.try_emplace(stream, stream).first->second;
}

/// The stream that the framework of an array has current on its device.
nb::object current_stream(const Array& like) {
  const nb::object found = nb::module_::import_("santa._arrays").attr("framework_of")(like.object());
  const auto framework = nb::cast<std::string>(found);
  if (framework == "torch")
    return nb::module_::import_("torch").attr("cuda").attr("current_stream")(like.object().attr("device"));
  if (framework == "cupy") return nb::module_::import_("cupy").attr("cuda").attr("get_current_stream")();
  return nb::none();
}
#endif

}  // namespace

Space default_space() {
  begin(0);
  return {};
}

#if defined(KOKKOS_ENABLE_CUDA)
Space space_for(nb::handle stream, const Array& like) {
  begin(0);
  if (like.given() && like.device() != Space().cuda_device())
    santa::detail::reject(like.name() + "'s device", std::to_string(like.device()),
                          "the one GPU of this process, " + std::to_string(Space().cuda_device()) +
                              " (CUDA_VISIBLE_DEVICES says which it has)");
  const nb::object given = stream.is_none() && like.given() ? current_stream(like) : nb::borrow(stream);
  return given.is_none() ? Space() : kept_space(stream_of(given));
}
#else
Space space_for(nb::handle stream, const Array& /*like*/) {
  if (!stream.is_none()) santa::detail::reject("cuda_stream", "given", "None: this module is built for a host");
  return default_space();
}
#endif

std::uintptr_t stream_number([[maybe_unused]] const Space& space) {
#if defined(KOKKOS_ENABLE_CUDA)
  return reinterpret_cast<std::uintptr_t>(space.cuda_stream());
#else
  return 0;
#endif
}

std::mutex& Launch::mutex() {
  static std::mutex mutex;
  return mutex;
}

void Launch::stop() {
  const nb::gil_scoped_release release;
  mutex().lock();
}

void OwnsMemory::change(int by) { owners += by; }

void bind_session(nb::module_& module) {
  module.def("initialize", &initialize, nb::arg("threads") = 0, R"(Begins Kokkos with so many threads of OpenMP.

0: OMP_NUM_THREADS, or all. Without this call the first one that needs it begins Kokkos so. Raises RuntimeError where
it has begun already, ValueError for a negative number.)");
  module.def(
      "backend", [] { return std::string(Space::name()); }, "Where kernels run: \"OpenMP\", \"Serial\" or \"Cuda\".");
  module.def(
      "concurrency", [] { return static_cast<int>(default_space().concurrency()); },
      "Threads that kernels run on at once.");
#if defined(SANTA_KERNELS)
  module.def(
      "instruction_set", [] { return std::string(name_of(instruction_set())); },
      "The instruction set that compiled kernels run by; \"compiled\" is the module's own.");
#else
  module.def(
      "instruction_set", [] { return std::string("compiled"); },
      "The instruction set that kernels run by: the module's own.");
#endif
  module.def("compiled_for", &compiled_lists, nb::sig("def compiled_for() -> dict[str, str]"),
             R"(What plans are compiled for, "all" or names.

Of "methods", "types" of rows, "caches" (their kinds) and, for CUDA, "extents" (at most so many query heads of a kv head,
dim). Other plans raise ValueError.)");
  nb::module_::import_("atexit").attr("register")(nb::cpp_function(&end));
}

}  // namespace santa::python
