// Narrow copies of a cache's keys, and caches that are scored by them.
#pragma once

#include "caches.hpp"
#include "contiguous_cache.hpp"
#include "paged_cache.hpp"
#include "session.hpp"
#include <santa/cache/narrow_keys.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace santa::python {

/// Narrow keys of any code, in memory of Kokkos.
struct NarrowCopy : OwnsMemory {
  using Any = std::variant<NarrowKeys<std::int8_t, Memory>, NarrowKeys<int4x2, Memory>, NarrowKeys<float8, Memory>>;

  Any keys;
  std::string name;
};

/// Makes and updates a copy: defined where a file of its own compiles those of one code (narrow_*.cpp).
template <class Full, class Code>
struct CopyOf {
  using Copy = NarrowKeys<Code, Memory>;

  static void calibrate(const Space& space, const Full& full, const Copy& copy);
  static void encode(const Space& space, const Full& full, const Copy& copy, std::int64_t first, std::int64_t count);
  static void encode_newest(const Space& space, const Full& full, const Copy& copy, std::int64_t count);
};
/// Appends to a cache with a copy: likewise.
template <class Writable, class Code>
void append_with_copy(const Space& space, const Writable& full, const NarrowKeys<Code, Memory>& copy,
                      const NewTokenArrays& tokens, Type type);

/// A cache, contiguous or in pages, and a copy of its keys.
class NarrowArrays final : public AnyCache {
 public:
  /// Of objects that Python has.
  NarrowArrays(const AnyCache& cache, const NarrowCopy& copied, bool again);

  [[nodiscard]] Shape shape() const override;
  [[nodiscard]] Type type() const override { return full->type(); }
  [[nodiscard]] std::string kind() const override;
  [[nodiscard]] PlanPointer make_plan(const Space& space, const PlanRequest& request) const override;
  void validate(const Space& space) const override { full->validate(space); }
  void append(const Space& space, const NewTokenArrays& tokens) const override;

  nb::object full_object, copy_object;  // which keep what follows
  const AnyCache* full;
  const NarrowCopy* copy;
  bool rescored;
};

/// Such a cache as a plan takes it.
template <class Full, class Code, Rescore rescore>
class NarrowRowsOf : public NarrowCache<Full, NarrowKeys<Code, Memory>, rescore> {
  using Base = NarrowCache<Full, NarrowKeys<Code, Memory>, rescore>;

 public:
  using Arrays = NarrowArrays;
  static constexpr std::array<std::string_view, 2> kinds = {Full::kinds[0], "narrow"};

  explicit NarrowRowsOf(const NarrowArrays& arrays)
      : Base(Full(static_cast<const typename Full::Arrays&>(*arrays.full)),
             std::get<NarrowKeys<Code, Memory>>(arrays.copy->keys)) {}
};

/// Calls f.operator()<Full>(arrays) with a cache of full rows, contiguous or in pages, as the library has it. Errors:
/// std::invalid_argument for another cache, which `what` is not made of.
template <class F>
auto with_full_rows(const AnyCache& cache, const std::string& what, const F& f) {
  if (cache.type() == Type::int8 || cache.type() == Type::float8_e4m3fn)
    santa::detail::reject("cache", cache.kind(), what + " of rows of float32, float16 or bfloat16");
  return with_element(cache.type(), [&]<class T>() {
    if (const auto* const paged = dynamic_cast<const PagedArrays*>(&cache))
      return f.template operator()<PagedRowsOf<const T>>(*paged);
    const auto* const contiguous = dynamic_cast<const ContiguousArrays*>(&cache);
    if (contiguous == nullptr)
      santa::detail::reject("cache", cache.kind(), what + " of a ContiguousCache or a PagedCache");
    return f.template operator()<ContiguousRowsOf<const T>>(*contiguous);
  });
}

void bind_narrow_cache(nb::module_& module);

}  // namespace santa::python
