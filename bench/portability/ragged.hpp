// Batches whose requests differ in length: the same lengths everywhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace santa_bench {

using Lengths = std::vector<std::int32_t>;

struct Scenario {
  const char* name;
  std::int64_t storage;
  std::vector<Lengths> draws;  // of the lengths of a batch
};

/// Numbers in [0, 1) that are the same everywhere.
class Uniform {
 public:
  explicit Uniform(std::uint64_t seed) : _random(seed) {}
  double operator()() { return static_cast<double>(_random() >> 11U) * 0x1p-53; }

 private:
  std::mt19937_64 _random;
};

inline std::vector<Scenario> scenarios(int divide) {
  const auto keys = [divide](double number) { return std::max(1, static_cast<int>(number) / divide); };
  std::vector<Lengths> of_log(3, Lengths(16));
  for (std::size_t draw = 0; draw < of_log.size(); ++draw) {
    Uniform uniform(draw + 1);
    for (std::int32_t& length : of_log[draw]) length = keys(1024. * std::exp2(6. * uniform()));
  }
  Lengths one(64, keys(1024.));
  one[32] = keys(131072.);
  Lengths few(256);
  Uniform uniform(7);
  for (std::int32_t& length : few) length = keys(512. + (4096. - 512.) * uniform());
  const std::int64_t most = keys(131072.);
  return {{"ragged-log", most, of_log}, {"ragged-one", most, {one}}, {"ragged-short", keys(4096.), {few}}};
}

inline double sum_of(const Lengths& lengths) {
  double sum = 0.;
  for (const std::int32_t length : lengths) sum += length;
  return sum;
}

}  // namespace santa_bench
