// The chain by itself; beside its oracle it is tested in engine-llamacpp.
#include "mobillm/sampler_chain.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <new>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"

using mobillm::SamplerChain;
using mobillm::SamplingOptions;
using mobillm::Token;

namespace {

std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

const std::vector<float> kLogits{1.0f, 5.0f, 4.0f, 3.0f};

Token choose(const SamplingOptions& options, const std::vector<Token>& history = {},
             const std::vector<float>& logits = kLogits) {
  SamplerChain chain(options, static_cast<std::int32_t>(logits.size()), history);
  return chain.choose(logits.data());
}

void a_temperature_of_0_takes_the_best_and_of_equal_ones_the_lower() {
  CHECK_EQUAL(choose({}), 1);
  CHECK_EQUAL(choose({}, {}, {2, 7, 7, 1}), 1);
  CHECK_EQUAL(choose({}, {}, {-kInfinity, -9, -kInfinity}), 1);
  CHECK_EQUAL(choose({}, {}, {kNaN, 3, kNaN, 4}), 3);
}

void biases_move_and_forbid_tokens() {
  SamplingOptions options;
  options.logit_bias = {{1, -kInfinity}, {3, 2.5f}};
  CHECK_EQUAL(choose(options), 3);
  // A forbidden token is never drawn, however flat the distribution.
  options.temperature = 1e6f;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    options.seed = seed;
    CHECK(choose(options) != 1);
  }
}

void penalties_look_back_on_the_history_as_far_as_they_are_told() {
  SamplingOptions options;
  options.presence_penalty = 2;
  options.penalty_last_tokens = 2;
  CHECK_EQUAL(choose(options, {1, 0}), 2);
  CHECK_EQUAL(choose(options, {1, 0, 0}), 1);  // too long ago
  options.penalty_last_tokens = 0;
  CHECK_EQUAL(choose(options, {1}), 1);

  SamplingOptions repeat;
  repeat.repeat_penalty = 2;
  repeat.penalty_last_tokens = 64;
  CHECK_EQUAL(choose(repeat, {1}), 2);
  // A negative logit is multiplied: dividing would favour it.
  CHECK_EQUAL(choose(repeat, {0}, {-1.0f, -1.5f}), 1);
}

void what_was_chosen_is_penalized_next() {
  SamplingOptions options;
  options.frequency_penalty = 1.5f;
  options.penalty_last_tokens = 64;
  SamplerChain chain(options, 4, {});
  CHECK_EQUAL(chain.choose(kLogits.data()), 1);  // 5
  CHECK_EQUAL(chain.choose(kLogits.data()), 2);  // 4 against 3.5
  CHECK_EQUAL(chain.choose(kLogits.data()), 1);  // 3.5 against 2.5 and 3
}

void what_leaves_the_window_is_forgotten() {
  SamplingOptions options;
  options.presence_penalty = 2;
  options.penalty_last_tokens = 1;
  SamplerChain chain(options, 4, {});
  const Token expected[] = {1, 2, 1, 2};
  for (const Token token : expected) CHECK_EQUAL(chain.choose(kLogits.data()), token);
}

void narrowing_leaves_the_best() {
  SamplingOptions options;
  options.temperature = 5;
  options.seed = 7;
  options.top_k = 1;
  CHECK_EQUAL(choose(options), 1);
  options.top_k = 0;
  options.top_p = 0.01f;
  CHECK_EQUAL(choose(options), 1);
  options.top_p = 1;
  options.min_p = 1;
  CHECK_EQUAL(choose(options), 1);
}

void what_is_drawn_follows_the_probabilities() {
  // Probabilities 1/8, 4/8, 1/8, 2/8.
  const std::vector<float> logits{0.0f, std::log(4.0f), 0.0f, std::log(2.0f)};
  SamplingOptions options;
  options.temperature = 1;
  options.seed = 3;
  SamplerChain chain(options, 4, {});
  std::map<Token, int> counts;
  for (int i = 0; i < 80000; ++i) ++counts[chain.choose(logits.data())];
  const int expected[] = {10000, 40000, 10000, 20000};
  // Six standard deviations of the largest.
  for (Token token = 0; token < 4; ++token) CHECK(std::abs(counts[token] - expected[token]) < 850);
  CHECK(std::abs(chain.candidates()[1].probability - 0.5f) < 1e-6f);
}

void a_seed_makes_the_choice_repeatable() {
  SamplingOptions options;
  options.temperature = 2;
  options.seed = 42;
  const auto draw = [&] {
    SamplerChain chain(options, 4, {});
    std::vector<Token> tokens;
    for (int i = 0; i < 32; ++i) tokens.push_back(chain.choose(kLogits.data()));
    return tokens;
  };
  const auto first = draw();
  CHECK(first == draw());
  options.seed = 43;
  CHECK(first != draw());
}

void extreme_temperatures_stay_within_numbers() {
  SamplingOptions options;
  options.temperature = 1e-30f;
  CHECK_EQUAL(choose(options, {}, {1e30f, 2e30f, -1e30f}), 1);
  CHECK_EQUAL(choose(options, {}, {1, kInfinity, 2}), 1);
}

void logits_that_are_no_numbers_are_an_error() {
  for (const float logit : {kNaN, -kInfinity}) {
    const std::vector<float> broken(40, logit);
    for (const float temperature : {0.0f, 1.0f}) {
      for (const std::int32_t top_k : {0, 2, 30}) {
        SamplingOptions options;
        options.temperature = temperature;
        options.top_k = top_k;
        options.top_p = 0.9f;
        options.min_p = 0.1f;
        CHECK_THROWS(mobillm::Error, choose(options, {}, broken),
                     CHECK_EQUAL(error.code(), std::string("NATIVE_FAILURE")));
      }
    }
  }
}

void after_the_first_choice_nothing_is_allocated() {
  constexpr std::int32_t kSize = 5000;
  std::vector<float> logits(kSize);
  for (std::int32_t i = 0; i < kSize; ++i) {
    logits[static_cast<std::size_t>(i)] = static_cast<float>((i * 37) % 101) * 0.1f;
  }
  for (const std::int32_t top_k : {0, 40, 4000}) {
    for (const float temperature : {0.0f, 0.8f}) {
      SamplingOptions options;
      options.logit_bias = {{5, 1}};
      options.repeat_penalty = 1.1f;
      options.penalty_last_tokens = 16;
      options.temperature = temperature;
      options.top_k = top_k;
      options.top_p = 0.95f;
      options.min_p = 0.05f;
      SamplerChain chain(options, kSize, {});
      chain.choose(logits.data());
      const std::size_t before = allocations;
      for (int i = 0; i < 50; ++i) chain.choose(logits.data());
      CHECK_EQUAL(allocations, before);
    }
  }
}

}  // namespace

int main() {
  a_temperature_of_0_takes_the_best_and_of_equal_ones_the_lower();
  biases_move_and_forbid_tokens();
  penalties_look_back_on_the_history_as_far_as_they_are_told();
  what_was_chosen_is_penalized_next();
  what_leaves_the_window_is_forgotten();
  narrowing_leaves_the_best();
  what_is_drawn_follows_the_probabilities();
  a_seed_makes_the_choice_repeatable();
  extreme_temperatures_stay_within_numbers();
  logits_that_are_no_numbers_are_an_error();
  after_the_first_choice_nothing_is_allocated();
}
