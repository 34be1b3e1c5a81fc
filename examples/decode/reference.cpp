#include "decode/reference.hpp"

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>

namespace santa::example {
namespace {

/// Rows of one kv head of keys or values.
template <class T>
struct HeadRows {
  const T* base;
  std::int64_t stride;

  const T* operator[](std::int64_t row) const { return base + row * stride; }
};

template <class Query, class T>
double dot(const Query* a, const T* b, std::int64_t dim) {
  double sum = 0.;
  for (std::int64_t d = 0; d < dim; ++d)
    sum += static_cast<double>(static_cast<float>(a[d])) * static_cast<double>(static_cast<float>(b[d]));
  return sum;
}

/// Attention of one query over the first `visible` rows, in two passes: the largest score comes out first.
template <class Query, class T>
void attend(const Query* query, HeadRows<T> keys, HeadRows<T> values, std::int64_t visible, std::int64_t dim,
            double scale, double* out) {
  std::vector<double> score(static_cast<std::size_t>(visible));
  for (std::int64_t i = 0; i < visible; ++i) score[static_cast<std::size_t>(i)] = scale * dot(query, keys[i], dim);
  const double largest = *std::max_element(score.begin(), score.end());
  double mass = 0.;
  std::fill_n(out, dim, 0.);
  for (std::int64_t i = 0; i < visible; ++i) {
    const double weight = std::exp(score[static_cast<std::size_t>(i)] - largest);
    mass += weight;
    const T* const value = values[i];
    for (std::int64_t d = 0; d < dim; ++d) out[d] += weight * static_cast<double>(static_cast<float>(value[d]));
  }
  for (std::int64_t d = 0; d < dim; ++d) out[d] /= mass;
}

}  // namespace

std::vector<double> reference_attention(const CapturedLayer& layer, const Shape& shape, float scale) {
  std::vector<double> result(static_cast<std::size_t>(shape.batch * shape.heads * shape.dim));
  with_elements(layer.query, [&](auto query) {
    with_elements(layer.key, [&](auto key) {
      const auto* const values = layer.value.as<typename decltype(key)::value_type>().data();
      Kokkos::parallel_for("santa::example::reference",
                           Kokkos::RangePolicy<Kokkos::DefaultHostExecutionSpace>(0, shape.batch * shape.heads),
                           [&, values](const std::int64_t row) {
                             const std::int64_t head = row % shape.heads / shape.group();
                             const HeadRows rows{key.data() + head * shape.dim, shape.kv_heads * shape.dim};
                             const HeadRows value_rows{values + head * shape.dim, shape.kv_heads * shape.dim};
                             const std::int64_t visible =
                                 layer.positions[static_cast<std::size_t>(row / shape.heads)] + 1;
                             attend(query.data() + row * shape.dim, rows, value_rows, visible, shape.dim,
                                    static_cast<double>(scale), result.data() + row * shape.dim);
                           });
      Kokkos::DefaultHostExecutionSpace().fence();
    });
  });
  return result;
}

}  // namespace santa::example
