// Tokens sampled from a language-model head, as Python has them.
#include "tokens.hpp"

#include "caches.hpp"
#include "run_options.hpp"
#include "session.hpp"
#include <santa/core/check.hpp>
#include <santa/token/sample_tokens.hpp>

#include <cstdint>
#include <string>
#include <type_traits>

namespace santa::python {
namespace {

using santa::detail::reject;

struct OwnedSampler : OwnsMemory {
  TokenSampler<Space> sampler;
};

/// Hidden states or weights: floats of 2 or 4 bytes.
Array matrix_array(nb::handle object, const char* name, const char* extents) {
  Array array(object, name);
  array.take_as_bfloat16();
  if (array.type() != Type::float32 && array.type() != Type::float16 && array.type() != Type::bfloat16)
    reject(std::string(name) + "'s dtype", name_of(array.type()), "float32, float16 or bfloat16");
  array.require_rank(2, extents);
  return array;
}

struct GivenResults {
  nb::object score, logit, lse;
};

nb::object run(const TokenSampler<Space>& sampler, nb::handle hidden_given, nb::handle weights_given,
               nb::handle tokens_given, float temperature, std::int64_t first_row, const GivenResults& given,
               const GivenChance& chance, nb::handle cuda_stream) {
  const Array hidden = matrix_array(hidden_given, "hidden", "2: [batch, dim]");
  const Array weights = matrix_array(weights_given, "weights", "2: [vocab, dim]");
  if (hidden.type() != Type::float32 && hidden.type() != weights.type())
    reject("hidden's dtype", name_of(hidden.type()),
           std::string("float32, or that of weights (") + name_of(weights.type()) + ")");
  const Array tokens = tokens_given.is_none() ? Array(new_array(hidden, {hidden.extent(0)}, Type::int64), "tokens")
                                              : Array(tokens_given, "tokens", Access::write);
  tokens.require_type(Type::int64);
  const ChanceArrays names(chance);
  TokenOptions<Memory> options;
  names.put_into(options);
  options.temperature = temperature;
  options.first_row = first_row;
  Array results[3];
  const auto result = [&](nb::handle object, const char* name, int i) -> TokenResults<Memory>::View {
    if (object.is_none()) return {};
    results[i] = Array(object, name, Access::write);
    results[i].require_type(Type::float32);
    results[i].require_rank(1, "1: [batch]");
    return view_of<float*>(results[i]);
  };
  options.results = {result(given.score, "score", 0), result(given.logit, "logit", 1), result(given.lse, "lse", 2)};
  const Space space = space_for(cuda_stream, hidden);
  {
    const Launch launch;
    const auto to = list_of<std::int64_t>(tokens, "1: [batch]");
    with_element(weights.type(), [&]<class T>() {
      if (hidden.type() == Type::float32)
        return sampler.run(space, view_of<const float**>(hidden), view_of<const T**>(weights), to, options);
      if constexpr (!std::is_same_v<T, float>)
        sampler.run(space, view_of<const T**>(hidden), view_of<const T**>(weights), to, options);
    });
  }
  return tokens.object();
}

constexpr const char* sampler_doc = R"(Samples tokens from a language-model head without writing the logits.

tokens[b] is drawn with probability softmax(logits[b] / temperature), logits[b, i] = <hidden[b], weights[i]>: exactly, by
the largest of the logits with Gumbel noise.

batch, vocab, dim  the largest of steps; dim a multiple of 8

Makes its memory once. Raises ValueError: name, given, accepted.)";

constexpr const char* run_doc = R"(Samples one token for each request, and returns them.

hidden       [batch, dim] float32, or of weights' type
weights      [vocab, dim] float32, float16 or bfloat16 (or its bits in uint16); rows without gaps
tokens       [batch] int64, written; None: a new array. -1 where a logit is NaN or +infinity, or all are -infinity
temperature  0: the row of the largest logit
first_row    of these weights in the whole vocabulary, if they are a shard of it
score, logit, lse  [batch] float32, written: the largest of logit + temperature * noise, by which shards are merged; the
             token's own logit; the natural log-sum-exp of the logits: logit - lse is the token's log-probability
seed, step, stream, requests  as of DecodePlan.run

A request's token does not depend on its batch mates or on threads. On CUDA kernels may still run when this returns.
Raises ValueError: name, given, accepted.)";

}  // namespace

void bind_tokens(nb::module_& module) {
  nb::class_<OwnedSampler>(module, "TokenSampler", sampler_doc)
      .def(
          "__init__",
          [](OwnedSampler* self, std::int64_t batch, std::int64_t vocab, std::int64_t dim) {
            const Space space = default_space();
            const Launch launch;
            new (self) OwnedSampler{{}, TokenSampler<Space>(space, {.batch = batch, .vocab = vocab, .dim = dim})};
          },
          nb::arg("batch"), nb::arg("vocab"), nb::arg("dim"))
      .def(
          "run",
          [](const OwnedSampler& self, const nb::object& hidden, const nb::object& weights, const nb::object& tokens,
             float temperature, std::int64_t first_row, const nb::object& score, const nb::object& logit,
             const nb::object& lse, const nb::object& seed, const nb::object& step, const nb::object& stream,
             const nb::object& requests, const nb::object& cuda_stream) {
            return run(self.sampler, hidden, weights, tokens, temperature, first_row, {score, logit, lse},
                       {seed, step, stream, requests}, cuda_stream);
          },
          nb::arg("hidden"), nb::arg("weights"), nb::arg("tokens") = nb::none(), nb::kw_only(),
          nb::arg("temperature") = 1.F, nb::arg("first_row") = 0, nb::arg("score") = nb::none(),
          nb::arg("logit") = nb::none(), nb::arg("lse") = nb::none(), nb::arg("seed") = 0, nb::arg("step") = 0,
          nb::arg("stream") = 0, nb::arg("requests") = nb::none(), nb::arg("cuda_stream") = nb::none(), run_doc)
      .def_prop_ro("workspace_bytes", [](const OwnedSampler& self) { return self.sampler.workspace_bytes(); });
}

}  // namespace santa::python
