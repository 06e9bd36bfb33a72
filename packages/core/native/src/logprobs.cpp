#include "mobillm/logprobs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mobillm {

TokenLogprobs logprobs_of(const float* logits, std::int32_t size, Token chosen,
                          std::int32_t top_count) {
  const double best = *std::max_element(logits, logits + size);
  double sum = 0;
  for (std::int32_t i = 0; i < size; ++i) sum += std::exp(logits[i] - best);
  const double log_sum = best + std::log(sum);
  const auto entry = [&](Token token) {
    return TokenLogprob{token, static_cast<double>(logits[token]) - log_sum};
  };

  TokenLogprobs result{entry(chosen), {}};
  if (top_count > 0) {
    std::vector<Token> order(static_cast<std::size_t>(size));
    std::iota(order.begin(), order.end(), 0);
    const auto end = order.begin() + std::min(top_count, size);
    std::partial_sort(order.begin(), end, order.end(), [&](Token a, Token b) {
      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    for (auto token = order.begin(); token != end; ++token) result.top.push_back(entry(*token));
  }
  return result;
}

}  // namespace mobillm
