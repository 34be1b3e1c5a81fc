// The options of a run, as callers give them.
#include "run_options.hpp"

#include "records.hpp"
#include <santa/core/check.hpp>

#include <string>

namespace santa::python {
namespace {

using santa::detail::reject;

template <class T>
Kokkos::View<const T*, Memory> list_for_run(const Array& array, const char* accepted) {
  return list_of<const T>(array, accepted);
}

DecodeState<Memory> state_of(nb::handle object) {
  if (!nb::isinstance<OwnedState>(object)) reject("state", text_of(object), "None or a DecodeState");
  return nb::cast<const OwnedState&>(object).state;
}

bool is_number(nb::handle object) { return nb::isinstance<nb::int_>(object) || nb::hasattr(object, "__index__"); }

}  // namespace

WholeNumber whole_number(nb::handle number, const char* name) {
  if (!is_number(number)) reject(name, text_of(number), "a whole number");
  const nb::object index = nb::steal(PyNumber_Index(number.ptr()));
  if (!index.is_valid()) {  // arrays have __index__, which raises unless they are one whole number
    PyErr_Clear();
    reject(name, text_of(number), "a whole number");
  }
  std::uint64_t bits = 0;
  if (nb::try_cast(index, bits)) return bits;
  std::int64_t negative = 0;
  if (nb::try_cast(index, negative)) return negative;
  reject(name, text_of(index), "a whole number of 64 bits");
}

ChanceArrays::ChanceArrays(const GivenChance& given) : _stream(whole_number(given.stream, "stream")) {
  const auto take = [&]<class T>(nb::handle object, const char* name, Type type, RunScalar<T, Memory>& to,
                                 Array& keep) {
    if (!nb::hasattr(object, "__dlpack__")) {
      to = whole_number(object, name).as<T>(name);
      return;
    }
    keep = Array(object, name);
    keep.require_type(type);
    to = list_for_run<T>(keep, "1: [batch]");
  };
  take(given.seed, "seed", Type::int64, _seed, _arrays[0]);
  take(given.step, "step", Type::int32, _step, _arrays[1]);
  if (given.requests.is_none()) return;
  _arrays[2] = Array(given.requests, "requests");
  _arrays[2].require_type(Type::int32);
  _requests = list_for_run<std::uint32_t>(_arrays[2], "1: [batch]");
}

RunArrays::RunArrays(const GivenOptions& given) : _chance(given.chance) {
  _chance.put_into(_options);
  if (!given.state.is_none()) _options.state = state_of(given.state);
  take_head_numbers(given.lse, "lse", _options.lse);
  take_head_numbers(given.error, "error", _options.error);
  take_statistics(given.statistics);
  if (const Array* const a = take(given.sinks, "sinks", Type::float32, 1, 1, "1: [heads]"))
    _options.sinks = list_for_run<float>(*a, "");
  if (const Array* const a = take(given.center, "center", Type::float32, 3, 3, "3: [batch, kv_heads, dim]"))
    _options.center = view_of<const float***>(*a);
  if (const Array* const a = take(given.budgets, "budgets", Type::float32, 1, 1, "1: [batch]"))
    _options.budgets = list_for_run<float>(*a, "");
  if (const Array* const a = take(given.tokens, "tokens", Type::int32, 1, 1, "1: [batch]"))
    _options.tokens = list_for_run<std::int32_t>(*a, "");
  if (const Array* const a = take(given.trees, "trees", Type::int32, 2, 2, "2: [batch, tokens]"))
    _options.trees = view_of<const std::uint32_t**>(*a);
}

const Array* RunArrays::take(nb::handle object, const char* name, Type type, int least, int most, const char* accepted,
                             Access access) {
  if (object.is_none()) return nullptr;
  Array& array = _arrays[_count++];
  array = Array(object, name, access);
  array.require_type(type);
  array.require_rank(least, most, accepted);
  return &array;
}

void RunArrays::take_head_numbers(nb::handle object, const char* name, HeadView<Memory>& to) {
  const Array* const array =
      take(object, name, Type::float32, 2, 3, "2: [batch, heads], or 3: [batch, tokens, heads]", Access::write);
  if (array == nullptr) return;
  if (array->rank() == 2)
    to = view_of<float**>(*array);
  else
    to = view_of<float***>(*array);
}

void RunArrays::take_statistics(nb::handle object) {
  if (object.is_none()) return;
  Array& array = _arrays[_count++];
  array = records_array(object, "statistics", sizeof(Statistics), "santa.statistics_dtype");
  _options.statistics = records_of<Statistics>(array);
}

}  // namespace santa::python
