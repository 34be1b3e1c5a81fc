// Narrow copies: included by the files that compile those of one code.
#pragma once

#include "append.hpp"
#include "narrow_cache.hpp"
#include "plan_of.hpp"
#include <santa/cache/append.hpp>
#include <santa/cache/encode_keys.hpp>

namespace santa::python {

template <class Full, class Code>
void CopyOf<Full, Code>::calibrate(const Space& space, const Full& full, const Copy& copy) {
  santa::calibrate(space, full, copy);
}
template <class Full, class Code>
void CopyOf<Full, Code>::encode(const Space& space, const Full& full, const Copy& copy, std::int64_t first,
                                std::int64_t count) {
  santa::encode_keys(space, full, copy, first, count);
}
template <class Full, class Code>
void CopyOf<Full, Code>::encode_newest(const Space& space, const Full& full, const Copy& copy, std::int64_t count) {
  santa::encode_newest_keys(space, full, copy, count);
}

template <class Writable, class Code>
void append_with_copy(const Space& space, const Writable& full, const NarrowKeys<Code, Memory>& copy,
                      const NewTokenArrays& tokens, Type type) {
  append_to(space, NarrowCache{full, copy}, tokens, type);
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
