// Log-probabilities of tokens under the model itself, before any sampling setting.
#pragma once

#include <cstdint>
#include <vector>

#include "mobillm/token.hpp"

namespace mobillm {

struct TokenLogprob {
  Token token;
  double logprob;  // natural logarithm
};

// At one position: the chosen token and the most probable ones, best first.
struct TokenLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;
};

// log softmax of a row of `size` logits: for `chosen`, and for the `top_count` best; of equal ones
// the lower token comes first.
TokenLogprobs logprobs_of(const float* logits, std::int32_t size, Token chosen,
                          std::int32_t top_count);

}  // namespace mobillm
