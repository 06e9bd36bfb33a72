// How the next token is chosen, and by what. Plain C++: no Node-API here.
#pragma once

#include <cstdint>
#include <vector>

#include "mobillm/token.hpp"

namespace mobillm {

struct LogitBias {
  Token token;
  float bias;  // −∞ forbids the token
};

// Core's `ResolvedSampling`; a temperature of 0 takes the best token. Steps apply in this order.
struct SamplingOptions {
  std::vector<LogitBias> logit_bias;
  float repeat_penalty = 1;
  float frequency_penalty = 0;
  float presence_penalty = 0;
  std::int32_t penalty_last_tokens = 0;
  std::int32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float temperature = 0;
  std::uint32_t seed = 0;

  // Whether the penalties do anything.
  bool penalizes() const noexcept {
    return penalty_last_tokens > 0 &&
           (repeat_penalty != 1 || frequency_penalty != 0 || presence_penalty != 0);
  }
};

// Chooses the tokens of one generation. Used on the model's thread alone.
class TokenSampler {
 public:
  TokenSampler() = default;
  TokenSampler(const TokenSampler&) = delete;
  TokenSampler& operator=(const TokenSampler&) = delete;
  virtual ~TokenSampler() = default;

  // Chooses from a row of logits, one a token of the vocabulary, and remembers the choice. Throws
  // NATIVE_FAILURE when no logit is a number.
  virtual Token choose(const float* logits) = 0;
};

}  // namespace mobillm
