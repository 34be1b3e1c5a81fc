#include "accuracy/plain_stages.hpp"

#include <santa/cache/encode_keys.hpp>
#include <santa/core/narrow.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace santa::accuracy {
namespace {

/// outcomes_of takes several draws: what has none is given as so many equal ones.
constexpr std::size_t copies = 4;

/// Mean and root mean square deviation by channel.
struct Channels {
  std::vector<float> center, spread;

  Channels(const std::vector<float>& rows, std::size_t dim) {
    const auto n = static_cast<double>(rows.size() / dim);
    for (std::size_t d = 0; d < dim; ++d) {
      double mean = 0.;
      for (std::size_t i = d; i < rows.size(); i += dim) mean += static_cast<double>(rows[i]) / n;
      double square = 0.;
      for (std::size_t i = d; i < rows.size(); i += dim)
        square += (static_cast<double>(rows[i]) - mean) * (static_cast<double>(rows[i]) - mean) / n;
      center.push_back(static_cast<float>(mean));
      spread.push_back(square > 0. ? static_cast<float>(std::sqrt(square)) : 1.F);
    }
  }
};

/// Attention over some rows by weights that need not add up to 1.
GroupOutcome attend(const GroupProblem& group, const std::vector<double>& weight, const std::vector<float>& values,
                    const std::vector<std::size_t>& rows) {
  const std::size_t n = size(group.length);
  const std::size_t dim = size(group.dim);
  std::vector<float> out;
  for (std::size_t head = 0; head < size(group.heads); ++head) {
    std::vector<double> sum(dim, 0.);
    double used = 0.;
    for (const std::size_t i : rows) {
      used += weight[head * n + i];
      for (std::size_t d = 0; d < dim; ++d) sum[d] += weight[head * n + i] * static_cast<double>(values[i * dim + d]);
    }
    // A head none of whose rows was chosen has no output.
    for (const double x : sum) out.push_back(used > 0. ? static_cast<float>(x / used) : 0.F);
  }
  std::vector<float> repeated;
  for (std::size_t copy = 0; copy < copies; ++copy) repeated.insert(repeated.end(), out.begin(), out.end());
  GroupOutcome result;
  result.rows = static_cast<double>(rows.size());
  result.heads = outcomes_of(repeated, group.exact, group.heads);
  return result;
}

std::vector<std::size_t> all_rows(const GroupProblem& group) {
  std::vector<std::size_t> rows(size(group.length));
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return rows;
}

/// The rows of largest weight in any head.
std::vector<std::size_t> top_rows(const GroupProblem& group, const std::vector<double>& weight, double count) {
  const std::size_t n = size(group.length);
  std::vector<double> largest(n, 0.);
  for (std::size_t i = 0; i < weight.size(); ++i) largest[i % n] = std::max(largest[i % n], weight[i]);
  std::vector<std::size_t> rows = all_rows(group);
  std::stable_sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) { return largest[a] > largest[b]; });
  rows.resize(std::min(n, static_cast<std::size_t>(std::llround(count))));
  return rows;
}

}  // namespace

template <class Code>
std::vector<float> rounded_rows(const std::vector<float>& rows, std::size_t dim, Scaling scaling) {
  using Traits = detail::NarrowTraits<Code>;
  Channels channels(rows, dim);
  if (scaling == Scaling::rows) {
    channels.center.assign(dim, 0.F);
    channels.spread.assign(dim, 1.F);
  }
  std::vector<float> result(rows.size());
  std::vector<Code> codes(dim / Traits::features);
  for (std::size_t i = 0; i < rows.size(); i += dim) {
    const auto scale = static_cast<float>(detail::encode_row(
        rows.data() + i, channels.center.data(), channels.spread.data(), static_cast<int>(dim), codes.data()));
    detail::read_features(codes.data(), 0, static_cast<int>(dim), result.data() + i);
    for (std::size_t d = 0; d < dim; ++d)
      result[i + d] = channels.center[d] + channels.spread[d] * scale * result[i + d];
  }
  return result;
}

template <class Code, Scaling of_keys>
GroupOutcome run_exact_narrow(const GroupProblem& group, const StageReads& /*reads*/, int /*seeds*/) {
  const std::size_t dim = size(group.dim);
  const auto keys = rounded_rows<Code>(as_floats(group.keys), dim, of_keys);
  const auto values = rounded_rows<Code>(as_floats(group.values), dim, Scaling::rows);
  return attend(group, softmax_weights(group, keys), values, all_rows(group));
}

template GroupOutcome run_exact_narrow<std::int8_t, Scaling::rows>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_exact_narrow<std::int8_t, Scaling::channels_and_rows>(const GroupProblem&, const StageReads&,
                                                                                int);
template GroupOutcome run_exact_narrow<int4x2, Scaling::rows>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_exact_narrow<int4x2, Scaling::channels_and_rows>(const GroupProblem&, const StageReads&, int);

GroupOutcome run_top_rows(const GroupProblem& group, const StageReads& reads, int /*seeds*/) {
  return attend(group, group.weight, as_floats(group.values), top_rows(group, group.weight, reads.rows));
}

GroupOutcome run_top_rows_int4(const GroupProblem& group, const StageReads& reads, int /*seeds*/) {
  const auto keys = rounded_rows<int4x2>(as_floats(group.keys), size(group.dim), Scaling::channels_and_rows);
  return attend(group, group.weight, as_floats(group.values),
                top_rows(group, softmax_weights(group, keys), reads.rows));
}

}  // namespace santa::accuracy
