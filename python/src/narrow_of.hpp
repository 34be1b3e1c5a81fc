// Narrow copies: included by the files that compile those of one code.
#pragma once

#include "append.hpp"
#include "compiled.hpp"
#include "narrow_cache.hpp"
#include "plan_of.hpp"
#include <santa/cache/append.hpp>
#include <santa/cache/encode_keys.hpp>

namespace santa::python {

/// What is not compiled of copies of such rows.
template <class Rows>
inline constexpr Missing missing_copies = missing_of<Rows, 2>({Rows::kinds[0], "narrow"});

template <class Full, class Code>
void CopyOf<Full, Code>::calibrate(const Space& space, const Full& full, const Copy& copy) {
  if constexpr (is_compiled(missing_copies<Full>))
    santa::calibrate(space, full, copy);
  else
    reject_uncompiled(missing_copies<Full>);
}
template <class Full, class Code>
void CopyOf<Full, Code>::encode(const Space& space, const Full& full, const Copy& copy, std::int64_t first,
                                std::int64_t count) {
  if constexpr (is_compiled(missing_copies<Full>))
    santa::encode_keys(space, full, copy, first, count);
  else
    reject_uncompiled(missing_copies<Full>);
}
template <class Full, class Code>
void CopyOf<Full, Code>::encode_newest(const Space& space, const Full& full, const Copy& copy, std::int64_t count) {
  if constexpr (is_compiled(missing_copies<Full>))
    santa::encode_newest_keys(space, full, copy, count);
  else
    reject_uncompiled(missing_copies<Full>);
}

template <class Writable, class Code>
void append_with_copy(const Space& space, const Writable& full, const NarrowKeys<Code, Memory>& copy,
                      const NewTokenArrays& tokens, Type type) {
  if constexpr (is_compiled(missing_copies<Writable>))
    append_to(space, NarrowCache{full, copy}, tokens, type);
  else
    reject_uncompiled(missing_copies<Writable>);
}

// All of one code and cache of rows of T; and of one code.
#define SANTA_PYTHON_NARROW_OF(Rows, T, Code)                                                                         \
  template struct CopyOf<Rows<const T>, Code>;                                                                        \
  template void append_with_copy<Rows<T>, Code>(const Space&, const Rows<T>&, const NarrowKeys<Code, Memory>&,        \
                                                const NewTokenArrays&, Type);                                         \
  template PlanPointer make_plan<NarrowRowsOf<Rows<const T>, Code, Rescore::none>>(const Space&, const PlanRequest&); \
  template PlanPointer make_plan<NarrowRowsOf<Rows<const T>, Code, Rescore::drawn_rows>>(const Space&,                \
                                                                                         const PlanRequest&);
#define SANTA_PYTHON_NARROW(Code)                          \
  SANTA_PYTHON_NARROW_OF(ContiguousRowsOf, bfloat16, Code) \
  SANTA_PYTHON_NARROW_OF(ContiguousRowsOf, half, Code)     \
  SANTA_PYTHON_NARROW_OF(ContiguousRowsOf, float, Code)    \
  SANTA_PYTHON_NARROW_OF(PagedRowsOf, bfloat16, Code)      \
  SANTA_PYTHON_NARROW_OF(PagedRowsOf, half, Code)          \
  SANTA_PYTHON_NARROW_OF(PagedRowsOf, float, Code)

}  // namespace santa::python
