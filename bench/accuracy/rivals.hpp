// Other ways of reading less than all keys, in plain code: what sampled clusters are compared with at equal bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace santa::accuracy {

/// The keys and values of one kv head, and a step's queries of its heads with their softmax weights over these keys.
struct RivalProblem {
  std::size_t heads = 0, length = 0, dim = 0;
  std::vector<float> keys, values;  // [length][dim]
  std::vector<float> query;         // [heads][dim], in units of a score's natural exponent
  std::vector<double> weight;       // [heads][length], each head's sum is 1

  /// Takes the queries and finds the weights.
  void take_query(std::vector<float> given);
  /// Bytes of exact attention: a row is a key and a value of 2-byte elements.
  [[nodiscard]] double bytes() const { return static_cast<double>(length * dim) * 4.; }
  [[nodiscard]] double rows_of(double share) const { return share * static_cast<double>(length); }
};

/// Outputs [heads][dim], and the bytes read as a share of exact attention's. No outputs where the share is too small.
struct RivalOutput {
  std::vector<double> out;
  double share = 0.;
};

/// Rows of largest weight of any head, softmax over them alone. It knows the scores without reading a key.
/// Biased: a bound for what keeps the largest.
RivalOutput top_rows(const RivalProblem& problem, double share);

/// Half of the rows as above, the others drawn uniformly of those left and weighted by their number over the drawn: as
/// vAttention, here with heavy hitters that are known. Source: Desai et al., "vAttention: Verified Sparse Attention".
RivalOutput heavy_and_uniform(const RivalProblem& problem, double share, std::mt19937_64& random);

/// Pages of 32 keys with the least and the largest of each feature, those read whose bound on a score is largest,
/// relative to what a head's bounds come to. Biased. Source: Tang et al., "Quest: Query-Aware Sparsity".
class Pages {
 public:
  explicit Pages(const RivalProblem& problem);
  [[nodiscard]] RivalOutput read(const RivalProblem& problem, double share) const;

 private:
  static constexpr std::size_t keys = 32;
  std::vector<float> _least, _largest;  // [pages][dim]
};

/// Rows that lie in a query's bucket in two tables at least, of tables of random hyperplanes over the keys less their
/// mean, weighted by the inverse of the chance of that; the first 4 and the last 32 are read in any case. As many
/// tables as the bytes of the rows allow; those of the tables are not counted. Source: Chen et al., "MagicPIG: LSH
/// Sampling for Efficient LLM Generation".
class HashTables {
 public:
  HashTables(const RivalProblem& problem, std::mt19937_64& random);
  [[nodiscard]] RivalOutput read(const RivalProblem& problem, double share) const;

 private:
  static constexpr std::size_t planes = 8, most_tables = 192;
  [[nodiscard]] std::vector<std::uint8_t> codes_of(const float* row) const;

  std::vector<float> _mean;           // [dim]
  std::vector<float> _normals;        // [dim][tables * planes]
  std::vector<std::uint8_t> _bucket;  // [tables][length]
};

/// Keys in 8 bytes by product quantisation, of 8 codebooks of 256 centers; rows drawn by the scores of the codes,
/// probabilities as of MassUnit, and weighted by their own keys. Codes and codebooks are counted.
/// Source: Jegou et al., "Product Quantization for Nearest Neighbor Search".
class ProductCodes {
 public:
  ProductCodes(const RivalProblem& problem, std::mt19937_64& random);
  [[nodiscard]] RivalOutput draw(const RivalProblem& problem, double share, std::mt19937_64& random) const;

 private:
  static constexpr std::size_t parts = 8, most_centers = 256;
  std::size_t _centers = 0;
  std::vector<float> _book;         // [parts][centers][dim / parts]
  std::vector<std::uint8_t> _code;  // [parts][length]
};

}  // namespace santa::accuracy
