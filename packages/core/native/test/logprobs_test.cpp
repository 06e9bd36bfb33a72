#include "mobillm/logprobs.hpp"

#include <cmath>
#include <vector>

#include "check.hpp"

using mobillm::logprobs_of;

namespace {

bool close(double a, double b) { return std::abs(a - b) < 1e-6; }

}  // namespace

int main() {
  // Probabilities 1/8, 4/8, 1/8, 2/8.
  const std::vector<float> logits{0.0f, std::log(4.0f), 0.0f, std::log(2.0f)};

  const auto alone = logprobs_of(logits.data(), 4, 2, 0);
  CHECK_EQUAL(alone.chosen.token, 2);
  CHECK(close(alone.chosen.logprob, std::log(1.0 / 8)));
  CHECK(alone.top.empty());

  const auto three = logprobs_of(logits.data(), 4, 1, 3);
  CHECK_EQUAL(three.top.size(), 3u);
  CHECK_EQUAL(three.top[0].token, 1);
  CHECK(close(three.top[0].logprob, std::log(4.0 / 8)));
  CHECK_EQUAL(three.top[1].token, 3);
  CHECK(close(three.top[1].logprob, std::log(2.0 / 8)));
  CHECK_EQUAL(three.top[2].token, 0);  // of equal ones the lower token

  CHECK_EQUAL(logprobs_of(logits.data(), 4, 1, 9).top.size(), 4u);

  // Large logits do not overflow.
  const std::vector<float> large{1000.0f, 999.0f};
  CHECK(close(logprobs_of(large.data(), 2, 0, 0).chosen.logprob, -std::log(1 + std::exp(-1.0))));
}
