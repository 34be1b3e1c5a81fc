// Every space of every build draws the same rows from the same scores: those of draws.txt. Queries, keys and the scale
// are such that scores are exact, and so the same to the last bit, in whatever order products are added up.
#include "support/runner.hpp"

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

using namespace santa;
using namespace santa::test;

namespace {

/// A scale by which a score in log2 units is exactly 1/16 of the product of query and key.
float exact_scale() {
  float scale = 0x1p-4F / lanes::log2_of_e;
  for (int i = 0; i < 4 && scale * lanes::log2_of_e > 0x1p-4F; ++i) scale = std::nextafter(scale, 0.F);
  for (int i = 0; i < 4 && scale * lanes::log2_of_e < 0x1p-4F; ++i) scale = std::nextafter(scale, 1.F);
  REQUIRE(scale * lanes::log2_of_e == 0x1p-4F);
  return scale;
}

/// -2 to 2, made without any library function.
class Numbers {
 public:
  float next() {
    _state = _state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<float>((_state >> 40) % 5) - 2.F;
  }

 private:
  std::uint64_t _state = 1;
};

/// Value row i is 1 at feature i modulo dim alone: where an output is not 0, a row was drawn.
template <class Space, class T>
Problem<Space, T, float> exact_problem(const Shape& shape) {
  Problem<Space, T, float> problem(shape);
  Numbers numbers;
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t h = 0; h < shape.heads; ++h)
      for (std::int64_t d = 0; d < shape.dim; ++d) problem.query(b, h, d) = numbers.next();
    for (std::int64_t i = 0; i < shape.length; ++i)
      for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
        for (std::int64_t d = 0; d < shape.dim; ++d) {
          problem.key(b, i, kv, d) = numbers.next();
          problem.value(b, i, kv, d) = i % shape.dim == d ? 1.F : 0.F;
        }
  }
  return problem.set_lengths({shape.length, shape.length / 2 + 3});
}

/// Which features of a kv head's outputs are not 0 (FNV-1a), how many, rows and samples.
void append_draws(std::string& text, const Result& result, const Shape& shape) {
  for (std::int64_t row = 0; row < shape.batch * shape.kv_heads; ++row) {
    const std::int64_t width = shape.group() * shape.dim;
    std::uint64_t digest = 14695981039346656037U;
    int drawn = 0;
    for (std::int64_t i = row * width; i < (row + 1) * width; ++i) {
      const bool read = result.out[static_cast<std::size_t>(i)] != 0.F;
      digest = (digest ^ (read ? 1U : 0U)) * 1099511628211U;
      drawn += read;
    }
    char part[128];
    const Statistics& s = result.statistics[static_cast<std::size_t>(row)];
    std::snprintf(part, sizeof(part), " %016" PRIx64 " %d %" PRId64 " %" PRId64, digest, drawn, s.rows_read, s.samples);
    text += part;
  }
  text += '\n';
}

/// Draws of every method over five steps: one request whose rows show one by one, and one of some thousand keys.
template <class Space, class T>
std::string draws(std::int64_t heads, std::int64_t kv_heads, std::int64_t dim, std::int64_t keys_per_split) {
  std::string text;
  for (const std::int64_t length : {dim, std::int64_t{2900}}) {
    const Shape shape{.batch = 2, .heads = heads, .kv_heads = kv_heads, .length = length, .dim = dim};
    const auto problem = exact_problem<Space, T>(shape).upload();
    const std::vector<AnyMethod> methods = samplers(length == dim ? 24 : 150);
    for (std::size_t method = 0; method < methods.size(); ++method) {
      Runner<Space, T, float> runner(problem, methods[method],
                                     {.scale = exact_scale(), .keys_per_split = keys_per_split});
      const auto state = runner.state();
      for (std::uint32_t step = 0; step < 5; ++step) {
        text += "dim " + std::to_string(dim) + " length " + std::to_string(length) + " method " +
                std::to_string(method) + " step " + std::to_string(step) + ":";
        append_draws(text, runner.run({.seed = 21, .step = step, .stream = 3, .state = state}), shape);
      }
    }
  }
  return text;
}

template <class Space, class T>
std::string all_draws(std::int64_t keys_per_split) {
  return draws<Space, T>(6, 2, 64, keys_per_split) + draws<Space, T>(14, 2, 128, keys_per_split) +
         draws<Space, T>(16, 1, 120, keys_per_split) + draws<Space, T>(8, 2, 256, keys_per_split);
}

std::vector<std::string> lines_of(std::istream&& stream) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void check_draws(const std::string& text) {
  const std::vector<std::string> expected = lines_of(std::ifstream(SANTA_TEST_DRAWS));
  const std::vector<std::string> given = lines_of(std::istringstream(text));
  REQUIRE(expected.size() == 4 * 2 * 11 * 5);
  REQUIRE(given.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(given[i] == expected[i]);
}

}  // namespace

SANTA_SPACE_TEST_CASE("draws_of_narrow_rows_are_those_of_the_file") {
  check_draws(all_draws<Space, bfloat16>(0));
  check_draws(all_draws<Space, bfloat16>(512));
}

SANTA_SPACE_TEST_CASE("draws_of_float_rows_are_those_of_the_file") {
  check_draws(all_draws<Space, float>(0));
  check_draws(all_draws<Space, float>(512));
}

TEST_CASE("write_the_draws" * doctest::skip()) {
  std::ofstream(SANTA_TEST_DRAWS) << all_draws<Kokkos::DefaultExecutionSpace, float>(0);
}
