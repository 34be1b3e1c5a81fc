// Methods as Python has them.
#include "methods.hpp"

#include <santa/core/check.hpp>

#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace santa::python {
namespace {

namespace nb = nanobind;
using santa::detail::text_of;

constexpr std::string_view draws_names[] = {"joint", "joint_l2", "separate"};

std::string_view name_of(Draws draws) { return draws_names[static_cast<int>(draws)]; }

Draws draws_of(const std::string& name) {
  const auto* const found = std::ranges::find(draws_names, name);
  if (found == std::end(draws_names))
    santa::detail::reject("MassUnit.draws", "\"" + name + "\"", "\"joint\", \"joint_l2\" or \"separate\"");
  return static_cast<Draws>(found - std::begin(draws_names));
}

template <Draws draws>
MassUnitOf<draws> mass_unit_of(const AnyMassUnit& given) {
  return {given.rows, given.target_error, given.steered};
}

std::string text(const RowBudget& rows) {
  return rows.is_share ? "share(" + text_of(rows.number) + ")" : text_of(rows.number);
}
std::string text(const Exact& /*method*/) { return "Exact()"; }
std::string text(const AnyMassUnit& method) {
  return "MassUnit(rows=" + text(method.rows) + ", target_error=" + text_of(method.target_error) +
         ", steered=" + (method.steered ? "True" : "False") + ", draws='" + std::string(name_of(method.draws)) + "')";
}
std::string with_samples(const char* name, std::int64_t samples) {
  return std::string(name) + "(samples=" + std::to_string(samples) + ")";
}
std::string text(const Systematic& method) { return with_samples("Systematic", method.samples); }
std::string text(const Stratified& method) { return with_samples("Stratified", method.samples); }
std::string text(const Multinomial& method) { return with_samples("Multinomial", method.samples); }
std::string with_tile(const char* name, std::int64_t samples, int tile) {
  return std::string(name) + "(samples=" + std::to_string(samples) + ", tile=" + std::to_string(tile) + ")";
}
std::string text(const FixedTileBudget& method) { return with_tile("FixedTileBudget", method.samples, method.tile); }
std::string text(const ProportionalTileBudget& method) {
  return with_tile("ProportionalTileBudget", method.samples, method.tile);
}

/// The method, checked.
template <class Method>
Method checked(const Method& method) {
  method.check();
  return method;
}

template <class Method>
nb::class_<Method> bind_method(nb::module_& module, const char* name, const char* doc) {
  nb::class_<Method> bound(module, name, doc);
  bound.def("__repr__", [](const Method& method) { return text(method); });
  return bound;
}

template <class Method>
void bind_samples(nb::module_& module, const char* name, const char* doc) {
  bind_method<Method>(module, name, doc)
      .def(
          "__init__", [](Method* self, std::int64_t samples) { new (self) Method(checked(Method{samples})); },
          nb::arg("samples") = 1024)
      .def_ro("samples", &Method::samples);
}

template <class Method>
void bind_tiles(nb::module_& module, const char* name, const char* doc) {
  bind_method<Method>(module, name, doc)
      .def(
          "__init__",
          [](Method* self, std::int64_t samples, int tile) {
            new (self) Method(checked(Method{samples, tile}));
          },
          nb::arg("samples") = 1024, nb::arg("tile") = 256)
      .def_ro("samples", &Method::samples)
      .def_ro("tile", &Method::tile);
}

void bind_mass_unit(nb::module_& module) {
  nb::class_<RowBudget>(module, "RowBudget", "A number of rows, which any number makes, or a share(part) of the keys.")
      .def(nb::init<double>(), nb::arg("rows"))
      .def("__repr__", [](const RowBudget& rows) { return text(rows); })
      .def_ro("number", &RowBudget::number)
      .def_ro("is_share", &RowBudget::is_share);
  nb::implicitly_convertible<double, RowBudget>();
  module.def(
      "share", &share, nb::arg("part"),
      "A row budget of `part` of the visible keys, above 0 and up to 1: share(0.1) reads about a tenth of them.");

  bind_method<AnyMassUnit>(module, "MassUnit", R"(Rows drawn with probability min(1, weight / delta), in one pass.

rows          distinct value rows to read per (request, kv head): a number of 1 or more, or share(part) of the visible
              keys. Where it covers them, the result is Exact's.
target_error  error of a head's output relative to its norm to aim at in place of rows (docs/accuracy_on_demand.md);
              it takes a state. 0: none.
steered       with a state, steps after the first score 256 keys before they draw, and read rows closer to the budget.
draws         "joint": once for all query heads of a kv head; "joint_l2": the same by the root of squared ratios;
              "separate": head by head.

Unbiased for any delta. Raises ValueError for what it does not accept.)")
      .def(
          "__init__",
          [](AnyMassUnit* self, const RowBudget& rows, double target_error, bool steered, const std::string& draws) {
            checked(MassUnit{rows, target_error, steered});
            new (self) AnyMassUnit{rows, target_error, steered, draws_of(draws)};
          },
          nb::arg("rows") = share(0.1), nb::arg("target_error") = 0., nb::arg("steered") = false,
          nb::arg("draws") = "joint")
      .def_ro("rows", &AnyMassUnit::rows)
      .def_ro("target_error", &AnyMassUnit::target_error)
      .def_ro("steered", &AnyMassUnit::steered)
      .def_prop_ro("draws", [](const AnyMassUnit& method) { return std::string(name_of(method.draws)); });
}

}  // namespace

AnyMethod method_of(const GivenMethod& given) {
  return std::visit(
      []<class Method>(const Method& method) -> AnyMethod {
        if constexpr (std::same_as<Method, AnyMassUnit>) {
          if (method.draws == Draws::joint_l2) return mass_unit_of<Draws::joint_l2>(method);
          if (method.draws == Draws::separate) return mass_unit_of<Draws::separate>(method);
          return mass_unit_of<Draws::joint>(method);
        } else {
          return method;
        }
      },
      given);
}

std::string text_of(const GivenMethod& given) {
  return std::visit([](const auto& method) { return text(method); }, given);
}

void bind_methods(nb::module_& module) {
  bind_method<Exact>(module, "Exact", "Reads every visible row: exact attention.").def(nb::init<>());
  bind_mass_unit(module);
  bind_samples<Systematic>(module, "Systematic",
                           "`samples` (1 to 2^30) equally spaced points in each head's cumulative distribution. Two "
                           "passes; unbiased.");
  bind_samples<Stratified>(module, "Stratified",
                           "A random point in each of `samples` (1 to 2^30) equal strata of each head's cumulative "
                           "distribution. Two passes; unbiased.");
  bind_samples<Multinomial>(module, "Multinomial",
                            "`samples` (1 to 2^30) independent draws a head. Two passes; unbiased.");
  bind_tiles<FixedTileBudget>(module, "FixedTileBudget",
                              "As many of `samples` draws in each tile of `tile` keys (32, 64 or 256). One pass; "
                              "unbiased.");
  bind_tiles<ProportionalTileBudget>(
      module, "ProportionalTileBudget",
      "`samples` draws shared out over tiles of `tile` keys (32, 64 or 256) by mass. Two "
      "passes; biased: for comparison with published results.");
}

}  // namespace santa::python
