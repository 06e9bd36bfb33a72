// How the next token is chosen: llama.cpp's own samplers, in the order that core documents.
#pragma once

#include <llama.h>

#include <cstdint>
#include <vector>

#include "mobillm/c_ptr.hpp"

namespace mobillm::llamacpp {

// Core's `ResolvedSampling`; a temperature of 0 takes the best token.
struct SamplingOptions {
  std::vector<llama_logit_bias> logit_bias;
  float repeat_penalty = 1;
  float frequency_penalty = 0;
  float presence_penalty = 0;
  std::int32_t penalty_last_tokens = 0;
  std::int32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float temperature = 0;
  std::uint32_t seed = 0;
};

// Chooses tokens for one generation. Used on the model's thread alone.
class Sampler {
 public:
  // `history` is what is in the sequence before the first choice: the penalties look back on it.
  Sampler(const SamplingOptions& options, std::int32_t vocabulary_size,
          const std::vector<llama_token>& history);

  // Chooses from a row of logits, one a token of the vocabulary, and remembers the choice. Throws
  // NATIVE_FAILURE when no logit is a number.
  llama_token choose(const float* logits);

 private:
  std::int32_t vocabulary_size_;
  CPtr<llama_sampler, llama_sampler_free> chain_;
  std::vector<llama_token_data> candidates_;
};

}  // namespace mobillm::llamacpp
