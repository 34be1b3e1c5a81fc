// Resampling, distinct draws and sums of drawn rows, as Python has them.
#include "rows.hpp"

#include "drawn.hpp"
#include "run_options.hpp"
#include "session.hpp"
#include <santa/rows/draw_distinct.hpp>
#include <santa/rows/gather_add.hpp>
#include <santa/rows/list_ancestors.hpp>
#include <santa/rows/resample.hpp>

#include <nanobind/stl/variant.h>

#include <cstdint>
#include <string>
#include <variant>

namespace santa::python {
namespace {

using Rule = std::variant<Systematic, Stratified, Residual, Multinomial>;

/// An optional list of doubles that a call writes, one for each vector.
Array written_list(nb::handle object, const char* name) {
  Array array = optional_array(object, name, Access::write);
  if (array.given()) array.require_type(Type::float64);
  return array;
}
Kokkos::View<double*, Memory> list_to_write(const Array& array) {
  if (!array.given()) return {};
  return list_of<double>(array, "1: [batch]");
}

/// An array [batch, extent], or without the batch where `like` has none.
Array vectors_array(const Array& like, std::int64_t extent, Type type, const char* name) {
  return like.rank() == 2 ? Array(new_array(like, {like.extent(0), extent}, type), name, Access::write)
                          : Array(new_array(like, {extent}, type), name, Access::write);
}

/// The ancestors of a call: the caller's, or new ones.
Array ancestors_array(nb::handle object, const Array& log_weights, std::int64_t samples) {
  if (object.is_none()) return vectors_array(log_weights, samples, Type::int64, "ancestors");
  Array ancestors(object, "ancestors", Access::write);
  ancestors.require_type(Type::int64);
  ancestors.require_rank(log_weights.rank(), "that of log_weights (" + std::to_string(log_weights.rank()) + ")");
  return ancestors;
}
template <class Index>
View<Index**> vectors_view(const Array& array) {
  return array.rank() == 2 ? view_of<Index**>(array) : view_with_one<Index**>(array, 0);
}

constexpr const char* resample_doc = R"(Draws ancestors by log-weights, as particle filters resample.

rule         Systematic(samples), Stratified, Residual or Multinomial: row i comes samples * p_i times on average, p_i
             being its weight over the sum of all
log_weights  [rows] or [batch, rows], float32 or float64, of any size; -infinity: never drawn
ancestors    int64 [samples] or [batch, samples], written; None: a new array. In ascending order. -1 where all
             log-weights of a vector are -infinity, or one is NaN or +infinity
log_evidence           [batch] float64, written: log of the mean of all weights
effective_sample_size  [batch] float64, written: (sum w)^2 / sum w^2
seed, step, stream, requests  as of DecodePlan.run: they name the random numbers

Returns the ancestors, the same on every number of threads. Kernels have run. Raises ValueError: name, given, accepted.)";

constexpr const char* distinct_doc = R"(Draws exactly k different rows, row i with probability min(1, w_i / c).

k            1 to 2^22
log_weights  [rows] or [batch, rows], float32 or float64; -infinity: never drawn
exact_sum    weights add up to 1 to the last bit
log_sum      [batch] float64, written: log of the sum of the weights
seed, step, stream, requests  as of DecodePlan.run

Returns DrawnRows, whose weights are Horvitz-Thompson's: the weighted sum of drawn rows is an unbiased estimate of the
weighted mean of all. Where fewer than k rows weigh anything, count says how many these are. Kernels have run. Raises
ValueError: name, given, accepted.)";

constexpr const char* gather_doc = R"(Adds drawn rows up: sum_i weights_i rows[rows_i], in float64.

drawn   DrawnRows
rows    [rows, dim], shared by the batch, or [batch, rows, dim], float32 or float64, the last extent contiguous
sum     [batch, dim] float64, written; None: a new array
center  [batch, dim] float64: c, fixed before the draw: the sum is c + sum_i weights_i (rows[rows_i] - c)
error   [batch, dim] float64, written: standard error of each feature

Returns the sum. Kernels have run. Raises ValueError: name, given, accepted.)";

nb::object resample(const Rule& rule, nb::handle log_weights_given, nb::handle ancestors_given, nb::handle log_evidence,
                    nb::handle effective_sample_size, const GivenChance& chance, nb::handle cuda_stream) {
  const Array log_weights = log_weights_array(log_weights_given);
  const std::int64_t samples = std::visit(
      [](const auto& r) {
        r.check();
        return r.samples;
      },
      rule);
  const Array ancestors = ancestors_array(ancestors_given, log_weights, samples);
  const Array evidence = written_list(log_evidence, "log_evidence");
  const Array size = written_list(effective_sample_size, "effective_sample_size");
  const ChanceArrays names(chance);
  ResampleOptions<Memory> options;
  names.put_into(options);
  options.log_evidence = list_to_write(evidence);
  options.effective_sample_size = list_to_write(size);
  const Space space = space_for(cuda_stream, log_weights);
  {
    const Launch launch;
    with_log_weights(log_weights, [&](const auto& weights) {
      std::visit(
          [&](const auto& r) { santa::resample(space, r, weights, vectors_view<std::int64_t>(ancestors), options); },
          rule);
    });
  }
  return ancestors.object();
}

DrawnArrays draw_distinct(std::int64_t k, nb::handle log_weights_given, bool exact_sum, nb::handle log_sum,
                          const GivenChance& chance, nb::handle cuda_stream) {
  const Array log_weights = log_weights_array(log_weights_given);
  santa::detail::require(k >= 1 && k <= (1 << 22), "k", k, "1 to 2^22");
  const DrawnArrays drawn(log_weights, batch_of(log_weights), k);
  const Array sums = written_list(log_sum, "log_sum");
  const ChanceArrays names(chance);
  DistinctOptions<Memory> options;
  names.put_into(options);
  options.log_sum = list_to_write(sums);
  options.weights = exact_sum ? WeightSum::exact : WeightSum::rounded;
  const Space space = space_for(cuda_stream, log_weights);
  {
    const Launch launch;
    with_log_weights(log_weights,
                     [&](const auto& weights) { santa::draw_distinct(space, k, weights, drawn_of(drawn), options); });
  }
  return drawn;
}

DrawnArrays list_ancestors(nb::handle given, bool exact_sum, nb::handle cuda_stream) {
  const Array ancestors(given, "ancestors");
  ancestors.require_type(Type::int64);
  ancestors.require_rank(1, 2, "1: [samples], or 2: [batch, samples]");
  const DrawnArrays drawn(ancestors, batch_of(ancestors), ancestors.extent(ancestors.rank() - 1));
  const Space space = space_for(cuda_stream, ancestors);
  {
    const Launch launch;
    santa::list_ancestors(space, vectors_view<const std::int64_t>(ancestors), drawn_of(drawn),
                          exact_sum ? WeightSum::exact : WeightSum::rounded);
    space.fence("santa::list_ancestors");
  }
  return drawn;
}

/// An optional matrix of doubles.
Array matrix_array(nb::handle object, const char* name, Access access) {
  Array array = optional_array(object, name, access);
  if (!array.given()) return array;
  array.require_type(Type::float64);
  array.require_rank(2, "2: [batch, dim]");
  return array;
}

nb::object gather_add(const DrawnArrays& drawn, nb::handle rows_given, nb::handle sum_given, nb::handle center_given,
                      nb::handle error_given, nb::handle cuda_stream) {
  const Array rows(rows_given, "rows");
  rows.require_rank(2, 3, "2: [rows, dim], or 3: [batch, rows, dim]");
  if (rows.type() != Type::float32 && rows.type() != Type::float64)
    santa::detail::reject("rows's dtype", name_of(rows.type()), "float32 or float64");
  const Array sum = sum_given.is_none()
                        ? Array(new_array(rows, {drawn.rows.extent(0), rows.extent(rows.rank() - 1)}, Type::float64),
                                "sum", Access::write)
                        : matrix_array(sum_given, "sum", Access::write);
  const Array center = matrix_array(center_given, "center", Access::read);
  const Array error = matrix_array(error_given, "error", Access::write);
  GatherOptions<Memory, double> options;
  if (center.given()) options.center = view_of<const double**>(center);
  if (error.given()) options.error = view_of<double**>(error);
  const Space space = space_for(cuda_stream, rows);
  {
    const Launch launch;
    const auto add = [&](const auto& matrix) {
      santa::gather_add(space, drawn_of(drawn), matrix, view_of<double**>(sum), options);
    };
    const auto of_type = [&]<class T>() {
      return rows.rank() == 2 ? add(view_of<const T**>(rows)) : add(view_of<const T***>(rows));
    };
    if (rows.type() == Type::float32)
      of_type.template operator()<float>();
    else
      of_type.template operator()<double>();
    space.fence("santa::gather_add");
  }
  return sum.object();
}

}  // namespace

DrawnArrays::DrawnArrays(const Array& like, std::int64_t batch, std::int64_t capacity)
    : rows(new_array(like, {batch, capacity}, Type::int64), "drawn.rows", Access::write),
      weights(new_array(like, {batch, capacity}, Type::float64), "drawn.weights", Access::write),
      spreads(new_array(like, {batch, capacity}, Type::float64), "drawn.spreads", Access::write),
      count(new_array(like, {batch}, Type::int64), "drawn.count", Access::write) {}

void bind_rows(nb::module_& module) {
  nb::class_<Residual>(module, "Residual",
                       "Row i floor(samples * p_i) times for certain, and the draws that are left by Multinomial: a "
                       "rule of `resample`. `samples`: 1 to 2^30.")
      .def(
          "__init__",
          [](Residual* self, std::int64_t samples) {
            const Residual rule{samples};
            rule.check();
            new (self) Residual(rule);
          },
          nb::arg("samples") = 1024)
      .def_ro("samples", &Residual::samples);
  nb::class_<DrawnArrays>(module, "DrawnRows", R"(Drawn rows of a batch of vectors, in arrays of the caller's framework.

rows, weights, spreads  [batch, capacity] int64 and float64: the first count[b] are valid, in ascending order of rows.
                        spreads are shares of the variance, which `gather_add` makes errors of
count                   [batch] int64)")
      .def_prop_ro("rows", [](const DrawnArrays& drawn) { return drawn.rows.object(); })
      .def_prop_ro("weights", [](const DrawnArrays& drawn) { return drawn.weights.object(); })
      .def_prop_ro("spreads", [](const DrawnArrays& drawn) { return drawn.spreads.object(); })
      .def_prop_ro("count", [](const DrawnArrays& drawn) { return drawn.count.object(); });
  module.def(
      "resample",
      [](const Rule& rule, const nb::object& log_weights, const nb::object& ancestors, const nb::object& log_evidence,
         const nb::object& effective_sample_size, const nb::object& seed, const nb::object& step,
         const nb::object& stream, const nb::object& requests, const nb::object& cuda_stream) {
        return resample(rule, log_weights, ancestors, log_evidence, effective_sample_size,
                        {seed, step, stream, requests}, cuda_stream);
      },
      nb::arg("rule"), nb::arg("log_weights"), nb::arg("ancestors") = nb::none(), nb::kw_only(),
      nb::arg("log_evidence") = nb::none(), nb::arg("effective_sample_size") = nb::none(), nb::arg("seed") = 0,
      nb::arg("step") = 0, nb::arg("stream") = 0, nb::arg("requests") = nb::none(), nb::arg("cuda_stream") = nb::none(),
      resample_doc);
  module.def(
      "draw_distinct",
      [](std::int64_t k, const nb::object& log_weights, bool exact_sum, const nb::object& log_sum,
         const nb::object& seed, const nb::object& step, const nb::object& stream, const nb::object& requests,
         const nb::object& cuda_stream) {
        return draw_distinct(k, log_weights, exact_sum, log_sum, {seed, step, stream, requests}, cuda_stream);
      },
      nb::arg("k"), nb::arg("log_weights"), nb::kw_only(), nb::arg("exact_sum") = false,
      nb::arg("log_sum") = nb::none(), nb::arg("seed") = 0, nb::arg("step") = 0, nb::arg("stream") = 0,
      nb::arg("requests") = nb::none(), nb::arg("cuda_stream") = nb::none(), distinct_doc);
  module.def("list_ancestors", &list_ancestors, nb::arg("ancestors"), nb::kw_only(), nb::arg("exact_sum") = false,
             nb::arg("cuda_stream") = nb::none(),
             "The different rows of ancestors, int64 [samples] or [batch, samples] in ascending order, as DrawnRows "
             "with weights of count / samples; with exact_sum these add up to 1 to the last bit. Ancestors of -1 are "
             "left out.");
  module.def("gather_add", &gather_add, nb::arg("drawn"), nb::arg("rows"), nb::arg("sum") = nb::none(), nb::kw_only(),
             nb::arg("center") = nb::none(), nb::arg("error") = nb::none(), nb::arg("cuda_stream") = nb::none(),
             gather_doc);
}

}  // namespace santa::python
