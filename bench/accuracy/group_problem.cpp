#include "accuracy/group_problem.hpp"

#include "decode/error.hpp"
#include "decode/reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace santa::accuracy {
namespace {

using example::CapturedLayer;
using example::Tensor;
using example::UserError;

/// The layer with its last two positions alone.
CapturedLayer last_positions(const CapturedLayer& layer, const Shape& shape) {
  const std::size_t all = layer.positions.size();
  if (all < 2 || layer.positions[all - 2] + 1 != layer.positions[all - 1])
    throw UserError("layer " + std::to_string(layer.index) +
                    ": the last two captured positions must follow each other");
  CapturedLayer result{layer.index, {}, layer.key, layer.value, {layer.positions[all - 2], layer.positions[all - 1]}};
  result.query = example::make_tensor("F32", {2, shape.heads, shape.dim});
  const std::size_t row = size(shape.heads * shape.dim);
  example::with_elements(layer.query, [&](auto elements) {
    for (std::size_t i = 0; i < 2 * row; ++i)
      result.query.as<float>()[i] = static_cast<float>(elements[(all - 2) * row + i]);
  });
  return result;
}

auto copy_rows(const Tensor& tensor, std::int64_t kv_head, std::int64_t length, const Shape& shape) {
  Kokkos::View<bfloat16*, Kokkos::HostSpace> rows("santa::accuracy::rows", size(length * shape.dim));
  const auto all = tensor.as<bfloat16>();
  for (std::int64_t i = 0; i < length; ++i)
    std::memcpy(rows.data() + i * shape.dim, all.data() + (i * shape.kv_heads + kv_head) * shape.dim,
                size(shape.dim) * sizeof(bfloat16));
  return rows;
}

std::vector<float> mean_row(const GroupProblem& group) {
  std::vector<double> sum(size(group.dim), 0.);
  for (std::int64_t i = 0; i < group.length; ++i)
    for (std::size_t d = 0; d < sum.size(); ++d)
      sum[d] += static_cast<double>(static_cast<float>(group.values(size(i) * sum.size() + d)));
  std::vector<float> mean;
  for (const double x : sum) mean.push_back(static_cast<float>(x / static_cast<double>(group.length)));
  return mean;
}

}  // namespace

std::vector<float> as_floats(const Kokkos::View<bfloat16*, Kokkos::HostSpace>& rows) {
  std::vector<float> floats(rows.size());
  std::transform(rows.data(), rows.data() + rows.size(), floats.begin(),
                 [](bfloat16 x) { return static_cast<float>(x); });
  return floats;
}

std::vector<double> softmax_weights(const GroupProblem& group, std::span<const float> keys) {
  const std::size_t n = size(group.length);
  const std::size_t dim = size(group.dim);
  std::vector<double> weight(size(group.heads) * n);
  for (std::size_t head = 0; head < size(group.heads); ++head) {
    const float* const query = group.query.data() + head * dim;
    double* const own = weight.data() + head * n;
    double largest = -INFINITY;
    for (std::size_t i = 0; i < n; ++i) {
      double score = 0.;
      for (std::size_t d = 0; d < dim; ++d)
        score += static_cast<double>(query[d]) * static_cast<double>(keys[i * dim + d]);
      own[i] = static_cast<double>(group.scale) * score;
      largest = std::max(largest, own[i]);
    }
    double sum = 0.;
    for (std::size_t i = 0; i < n; ++i) sum += own[i] = std::exp(own[i] - largest);
    for (std::size_t i = 0; i < n; ++i) own[i] /= sum;
  }
  return weight;
}

std::vector<GroupProblem> groups_of(const CapturedLayer& layer, const Shape& shape, float scale) {
  if (layer.key.dtype != "BF16")
    throw UserError("layer " + std::to_string(layer.index) + ": keys are " + example::printable(layer.key.dtype) +
                    "; accepted: BF16");
  const CapturedLayer last = last_positions(layer, shape);
  Shape of_two = shape;
  of_two.batch = 2;
  const std::vector<double> exact = example::reference_attention(last, of_two, scale);
  std::vector<GroupProblem> groups;
  for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
    GroupProblem group;
    group.layer = layer.index;
    group.kv_head = kv_head;
    group.heads = shape.group();
    group.length = last.positions[1] + 1;
    group.dim = shape.dim;
    group.scale = scale;
    group.keys = copy_rows(last.key, kv_head, group.length, shape);
    group.values = copy_rows(last.value, kv_head, group.length, shape);
    const std::int64_t row = shape.heads * shape.dim;
    const std::int64_t begin = kv_head * group.heads * shape.dim;
    const std::int64_t count = group.heads * shape.dim;
    group.query = decltype(group.query)("santa::accuracy::query", size(count));
    std::memcpy(group.query.data(), last.query.as<float>().data() + row + begin, size(count) * sizeof(float));
    group.before.assign(exact.begin() + begin, exact.begin() + begin + count);
    group.exact.assign(exact.begin() + row + begin, exact.begin() + row + begin + count);
    group.weight = softmax_weights(group, as_floats(group.keys));
    group.mean = mean_row(group);
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace santa::accuracy
