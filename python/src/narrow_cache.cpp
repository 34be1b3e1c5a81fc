// Narrow copies of a cache's keys, and caches that are scored by them.
#include "narrow_cache.hpp"

#include "session.hpp"
#include <santa/core/check.hpp>

#include <nanobind/stl/optional.h>

#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>

namespace santa::python {
namespace {

using santa::detail::reject;

constexpr const char* what = "one with full rows: a copy is made";

/// What a copy of a cache is made for: its own rows, or those of its pool.
Shape shape_of_copy(const AnyCache& cache) {
  return with_full_rows(cache, what, [&]<class Full>(const typename Full::Arrays& arrays) {
    if constexpr (std::is_same_v<typename Full::Arrays, PagedArrays>)
      return arrays.pool_shape();
    else
      return arrays.shape();
  });
}

NarrowCopy::Any make_keys(const Space& space, const AnyCache& cache, const std::string& code) {
  const Shape shape = shape_of_copy(cache);
  if (code == "int8") return NarrowKeys<std::int8_t, Memory>(space, shape);
  if (code == "int4") return NarrowKeys<int4x2, Memory>(space, shape);
  if (code != "fp8") reject("code", "\"" + code + "\"", "\"int8\", \"int4\" or \"fp8\"");
  return NarrowKeys<float8, Memory>(space, shape);
}

/// Calls f(CopyOf<Full, Code>{}, full, keys).
template <class F>
void with_copy(const NarrowCopy& copy, const AnyCache& cache, const F& f) {
  with_full_rows(cache, what, [&]<class Full>(const typename Full::Arrays& arrays) {
    std::visit([&]<class Code>(const NarrowKeys<Code, Memory>& keys) { f(CopyOf<Full, Code>{}, Full(arrays), keys); },
               copy.keys);
  });
}

std::size_t bytes_of(const NarrowCopy& copy) {
  return std::visit(
      [](const auto& keys) {
        const auto bytes = [](const auto&... views) { return ((views.size() * sizeof(*views.data())) + ...); };
        return bytes(keys.codes, keys.scales, keys.center, keys.spread);
      },
      copy.keys);
}

constexpr const char* keys_doc = R"(A copy of a cache's keys in 8 or 4 bits a feature, by which scores are made.

cache  a ContiguousCache or PagedCache of float32, float16 or bfloat16: extents are looked at; of a paged one those of
       its pool, whose copy all requests share
code   "int4", "int8" or "fp8" (e4m3)

Made by `calibrate` and `encode`, kept in step by `santa.append` or `encode_newest`. Raises ValueError: name, given,
accepted.)";

void bind_narrow_keys(nb::module_& module) {
  nb::class_<NarrowCopy>(module, "NarrowKeys", keys_doc)
      .def(
          "__init__",
          [](NarrowCopy* self, const AnyCache& cache, const std::string& code) {
            const Space space = default_space();
            NarrowCopy::Any keys;
            {
              const Launch launch;
              keys = make_keys(space, cache, code);
              space.fence("santa::NarrowKeys");
            }
            new (self) NarrowCopy{{}, keys, code};
          },
          nb::arg("cache"), nb::arg("code") = "int4")
      .def(
          "calibrate",
          [](const NarrowCopy& self, const AnyCache& cache, const nb::object& stream) {
            const Space space = space_for(stream, {});
            const Launch launch;
            with_copy(self, cache,
                      [&](auto of, const auto& full, const auto& keys) { of.calibrate(space, full, keys); });
          },
          nb::arg("cache"), nb::kw_only(), nb::arg("cuda_stream") = nb::none(),
          "Finds the mean and the spread of each feature of the valid keys: before `encode`, and anew, with it, when "
          "keys have drifted (a small effective_sample_size of rescored steps says so).")
      .def(
          "encode",
          [](const NarrowCopy& self, const AnyCache& cache, std::int64_t first, std::optional<std::int64_t> count,
             const nb::object& stream) {
            const Space space = space_for(stream, {});
            const std::int64_t keys_to_encode = count.value_or(cache.shape().length - first);
            const Launch launch;
            with_copy(self, cache, [&](auto of, const auto& full, const auto& keys) {
              of.encode(space, full, keys, first, keys_to_encode);
            });
          },
          nb::arg("cache"), nb::arg("first") = 0, nb::arg("count") = nb::none(), nb::kw_only(),
          nb::arg("cuda_stream") = nb::none(),
          "Encodes keys first to first + count - 1 of every request; None: all from first on.")
      .def(
          "encode_newest",
          [](const NarrowCopy& self, const AnyCache& cache, std::int64_t count, const nb::object& stream) {
            const Space space = space_for(stream, {});
            const Launch launch;
            with_copy(self, cache,
                      [&](auto of, const auto& full, const auto& keys) { of.encode_newest(space, full, keys, count); });
          },
          nb::arg("cache"), nb::arg("count") = 1, nb::kw_only(), nb::arg("cuda_stream") = nb::none(),
          "Encodes the last `count` valid keys of every request, that a step has written; `santa.append` to a "
          "NarrowCache does so itself.")
      .def_ro("code", &NarrowCopy::name)
      .def_prop_ro("bytes", &bytes_of, "What the copy takes.");
}

}  // namespace

NarrowArrays::NarrowArrays(const AnyCache& cache, const NarrowCopy& copied, bool again)
    : full_object(nb::find(cache)), copy_object(nb::find(copied)), full(&cache), copy(&copied), rescored(again) {
  static_cast<void>(shape());
}

Shape NarrowArrays::shape() const {
  return with_full_rows(*full, what, [&]<class Full>(const typename Full::Arrays& arrays) {
    return std::visit([&](const auto& keys) { return NarrowCache{Full(arrays), keys}.shape(); }, copy->keys);
  });
}

std::string NarrowArrays::kind() const {
  return "a NarrowCache by " + copy->name + (rescored ? ", rescored, of " : " of ") + full->kind();
}

PlanPointer NarrowArrays::make_plan(const Space& space, const PlanRequest& request) const {
  return with_full_rows(*full, what, [&]<class Full>(const typename Full::Arrays& /*arrays*/) {
    return std::visit(
        [&]<class Code>(const NarrowKeys<Code, Memory>& /*keys*/) {
          return rescored ? santa::python::make_plan<NarrowRowsOf<Full, Code, Rescore::drawn_rows>>(space, request)
                          : santa::python::make_plan<NarrowRowsOf<Full, Code, Rescore::none>>(space, request);
        },
        copy->keys);
  });
}

void NarrowArrays::append(const Space& space, const NewTokenArrays& tokens) const {
  with_full_rows(*full, what, [&]<class Full>(const typename Full::Arrays& arrays) {
    using Element = std::remove_const_t<typename Full::key_view::value_type>;
    const typename Full::Arrays written = arrays.to_write();
    using Writable = std::conditional_t<std::is_same_v<typename Full::Arrays, PagedArrays>, PagedRowsOf<Element>,
                                        ContiguousRowsOf<Element>>;
    const Launch launch;
    std::visit([&](const auto& keys) { append_with_copy(space, Writable(written), keys, tokens, type()); }, copy->keys);
  });
}

void bind_narrow_cache(nb::module_& module) {
  bind_narrow_keys(module);
  nb::class_<NarrowArrays, AnyCache>(module, "NarrowCache",
                                     R"(A cache whose scores are made by a narrow copy of its keys.

cache     a ContiguousCache or PagedCache: values are its own
keys      NarrowKeys made for it
rescored  the drawn rows' scores are made again from their full keys, which takes the copy's error out of the result:
          steps of MassUnit. Without it outputs are those of attention over rounded keys, by Exact or MassUnit; both
          with joint draws.

Raises ValueError: name, given, accepted.)")
      .def(
          "__init__",
          [](NarrowArrays* self, const AnyCache& cache, const NarrowCopy& keys, bool rescored) {
            new (self) NarrowArrays(cache, keys, rescored);
          },
          nb::arg("cache"), nb::arg("keys"), nb::kw_only(), nb::arg("rescored") = true)
      .def_prop_ro("cache", [](const NarrowArrays& cache) { return cache.full_object; })
      .def_prop_ro("keys", [](const NarrowArrays& cache) { return cache.copy_object; })
      .def_ro("rescored", &NarrowArrays::rescored);
}

}  // namespace santa::python
