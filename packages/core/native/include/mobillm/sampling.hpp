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

  // Chooses from a row of logits, one a token of the vocabulary; kNoToken where the text ends here
  // without one. Throws NATIVE_FAILURE when no logit is a number.
  virtual Token sample(const float* logits) = 0;
  // Remembers a token as the one that was taken: the penalties look back on it.
  virtual void accept(Token token) = 0;

  // Both: chooses, and remembers the choice.
  Token choose(const float* logits) {
    const Token token = sample(logits);
    if (token != kNoToken) accept(token);
    return token;
  }

  // Whether nothing can follow the tokens that were accepted.
  virtual bool at_end() const { return false; }
  // Choices that had to be made anew, because a grammar did not allow them; so far.
  virtual std::int64_t rejected_tokens() const { return 0; }
};

}  // namespace mobillm
