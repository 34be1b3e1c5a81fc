// The C++ of docs/token_sampler.md and docs/lossless.md.
#include "given.hpp"

void sampled(const Space& space, const View<santa::bfloat16**>& hidden, const View<santa::bfloat16**>& head_weights,
             const View<std::int32_t*>& tokens, const View<std::int32_t**>& shard_tokens,
             const View<float**>& shard_scores, std::uint32_t step) {
  // [sample]
  // hidden [batch, dim], head_weights [vocab, dim]: float, santa::half or santa::bfloat16; tokens [batch]: int32 or
  // int64.
  santa::TokenSampler<Space> sampler{space, {.batch = 64, .vocab = 49152, .dim = 576}};
  sampler.run(space, hidden, head_weights, tokens, {.temperature = 0.8F, .seed = 7, .step = step});
  // [/sample]
  // [shards]
  santa::merge_tokens(space, santa::TokenShards{shard_tokens, shard_scores}, tokens);  // [shards, batch] -> [batch]
  // [/shards]
}

void accepted(const Space& space, const View<std::int32_t**>& drafts, const View<float***>& draft_logits,
              const View<float***>& target_logits, const View<std::int32_t*>& accepted, const View<std::int32_t*>& next,
              std::uint32_t step) {
  // [verify]
  // drafts [batch, k]; draft_logits [batch, k, vocab]; target_logits [batch, k + 1, vocab]; accepted, next [batch].
  santa::DraftVerifier<Space> verifier{space, {.batch = 8, .drafts = 4, .vocab = 49152}};
  verifier.run(space, drafts, draft_logits, target_logits, accepted, next,
               {.temperature = 0.8F, .seed = 7, .step = step});
  // [/verify]
}
