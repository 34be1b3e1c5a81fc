// Thinning, as Python has it.
#include "drawn.hpp"
#include "rows.hpp"
#include "run_options.hpp"
#include "session.hpp"
#include <santa/core/check.hpp>
#include <santa/rows/discrepancy.hpp>
#include <santa/rows/thin_rows.hpp>

#include <cstdint>
#include <string>
#include <variant>

namespace santa::python {
namespace {

using santa::detail::reject;

using Kernel = std::variant<GaussianKernel, InverseMultiquadric>;

Kernel kernel_of(const std::string& name, double bandwidth) {
  if (name == "gaussian") return GaussianKernel{bandwidth};
  if (name != "inverse_multiquadric") reject("kernel", "\"" + name + "\"", "\"gaussian\" or \"inverse_multiquadric\"");
  return InverseMultiquadric{bandwidth};
}

/// A list or a matrix of doubles: thinning is compiled for these alone.
Array doubles(nb::handle object, const char* name, int rank, const char* extents) {
  Array array = optional_array(object, name);
  if (!array.given()) return array;
  array.require_type(Type::float64);
  array.require_rank(rank, extents);
  return array;
}

/// The rows of a call, and what is known of them.
struct ThinnedArrays {
  Array log_weights, rows, scores, moments;

  ThinnedArrays(nb::handle given_weights, nb::handle given_rows, nb::handle given_scores, nb::handle given_moments)
      : log_weights(doubles(given_weights, "log_weights", 1, "1: [rows]")),
        rows(doubles(given_rows, "rows", 2, "2: [rows, dim]")),
        scores(doubles(given_scores, "scores", 2, "2: [rows, dim]")),
        moments(doubles(given_moments, "moments", 2, "2: [rows, moments]")) {}

  [[nodiscard]] ThinOptions<Memory> options() const {
    ThinOptions<Memory> result;
    if (scores.given()) result.scores = view_of<const double**>(scores);
    if (moments.given()) result.moments = view_of<const double**>(moments);
    return result;
  }
};

struct GivenThinning {
  std::string weights;
  int oversampling, rank;
};

DrawnArrays thin_rows(std::int64_t m, const ThinnedArrays& arrays, const Kernel& kernel, const GivenThinning& given,
                      const GivenChance& chance) {
  ThinOptions<Memory> options = arrays.options();
  if (given.weights != "equal" && given.weights != "simplex")
    reject("weights", "\"" + given.weights + "\"", "\"equal\" or \"simplex\"");
  options.weights = given.weights == "simplex" ? ThinnedWeights::simplex : ThinnedWeights::equal;
  options.oversampling = given.oversampling;
  options.rank = given.rank;
  options.seed = whole_number(chance.seed, "seed");
  options.step = whole_number(chance.step, "step");
  options.stream = whole_number(chance.stream, "stream");
  santa::detail::require(m >= 1 && m <= arrays.log_weights.extent(0), "m", m,
                         "1 to the rows (" + std::to_string(arrays.log_weights.extent(0)) + ")");
  DrawnArrays drawn(arrays.log_weights, 1, m);
  const Space space = space_for(nb::none(), arrays.log_weights);
  {
    const Launch launch;
    std::visit(
        [&](const auto& of) {
          santa::thin_rows(space, m, view_of<const double*>(arrays.log_weights), view_of<const double**>(arrays.rows),
                           drawn_of(drawn), options, of);
        },
        kernel);
  }
  return drawn;
}

double discrepancy(const ThinnedArrays& arrays, const DrawnArrays& drawn, const Kernel& kernel) {
  const Space space = space_for(nb::none(), arrays.log_weights);
  const Launch launch;
  return std::visit(
      [&](const auto& of) {
        return santa::discrepancy(space, view_of<const double*>(arrays.log_weights),
                                  view_of<const double**>(arrays.rows), drawn_of(drawn), arrays.options(), of);
      },
      kernel);
}

constexpr const char* thin_doc = R"(Keeps m of n weighted rows so that averages over them stay near those over all.

m             1 to n; with simplex weights 1 + dim + moments or more (with scores 1 + moments)
log_weights   [n] float64, of any size; -infinity: not there
rows          [n, dim] float64, any strides
kernel, bandwidth  "gaussian" or "inverse_multiquadric", and its h; 0: the median distance
weights       "equal": multiples of 1 / m; "simplex": positive, adding up to 1, with the mean of the rows kept
oversampling  0 to 16: each is twice as near and takes 4 times as long
scores        [n, dim] float64: gradients of the log of the target's density; averages are then near the target's
rank          with scores: 0: by all n^2 kernels; else by so many columns of a factor
moments       [n, q] float64: simplex weights keep their means as well
seed, step, stream  numbers

Returns DrawnRows of a batch of 1; none where no log-weight is a finite number or one is NaN or +infinity. Raises
ValueError: name, given, accepted.)";

}  // namespace

void bind_thinning(nb::module_& module) {
  module.def(
      "thin_rows",
      [](std::int64_t m, const nb::object& log_weights, const nb::object& rows, const std::string& kernel,
         double bandwidth, const std::string& weights, int oversampling, const nb::object& scores, int rank,
         const nb::object& moments, const nb::object& seed, const nb::object& step, const nb::object& stream) {
        return thin_rows(m, {log_weights, rows, scores, moments}, kernel_of(kernel, bandwidth),
                         {weights, oversampling, rank}, {seed, step, stream, nb::none()});
      },
      nb::arg("m"), nb::arg("log_weights"), nb::arg("rows"), nb::kw_only(), nb::arg("kernel") = "gaussian",
      nb::arg("bandwidth") = 0., nb::arg("weights") = "equal", nb::arg("oversampling") = 4,
      nb::arg("scores") = nb::none(), nb::arg("rank") = 0, nb::arg("moments") = nb::none(), nb::arg("seed") = 0,
      nb::arg("step") = 0, nb::arg("stream") = 0, thin_doc);
  module.def(
      "discrepancy",
      [](const nb::object& log_weights, const nb::object& rows, const DrawnArrays& drawn, const std::string& kernel,
         double bandwidth, const nb::object& scores) {
        return discrepancy({log_weights, rows, scores, nb::none()}, drawn, kernel_of(kernel, bandwidth));
      },
      nb::arg("log_weights"), nb::arg("rows"), nb::arg("drawn"), nb::kw_only(), nb::arg("kernel") = "gaussian",
      nb::arg("bandwidth") = 0., nb::arg("scores") = nb::none(),
      "The most that an average over drawn rows is off from one over all, of functions whose norm in the kernel's "
      "space "
      "is 1; with scores from the target's. Arguments as of thin_rows; n^2 kernels.");
}

}  // namespace santa::python
