#include "sampler.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"

using mobillm::SamplingOptions;
using mobillm::llamacpp::LlamaSampler;

namespace {

const std::vector<float> kLogits{1.0f, 5.0f, 4.0f, 3.0f};

llama_token choose(const SamplingOptions& options, const std::vector<llama_token>& history = {},
                   const std::vector<float>& logits = kLogits) {
  LlamaSampler sampler(options, static_cast<std::int32_t>(logits.size()), history);
  return sampler.choose(logits.data());
}

void a_temperature_of_0_takes_the_best() { CHECK_EQUAL(choose({}), 1); }

void biases_move_and_forbid_tokens() {
  SamplingOptions options;
  options.logit_bias = {{1, -std::numeric_limits<float>::infinity()}, {3, 2.5f}};
  CHECK_EQUAL(choose(options), 3);
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
}

void what_was_chosen_is_penalized_next() {
  SamplingOptions options;
  options.frequency_penalty = 1.5f;
  options.penalty_last_tokens = 64;
  LlamaSampler sampler(options, 4, {});
  CHECK_EQUAL(sampler.choose(kLogits.data()), 1);  // 5
  CHECK_EQUAL(sampler.choose(kLogits.data()), 2);  // 4 against 3.5
  CHECK_EQUAL(sampler.choose(kLogits.data()), 1);  // 3.5 against 2.5 and 3
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

void a_seed_makes_the_choice_repeatable() {
  SamplingOptions options;
  options.temperature = 2;
  options.seed = 42;
  const auto draw = [&] {
    LlamaSampler sampler(options, 4, {});
    std::vector<llama_token> tokens;
    for (int i = 0; i < 32; ++i) tokens.push_back(sampler.choose(kLogits.data()));
    return tokens;
  };
  const auto first = draw();
  CHECK(first == draw());
  options.seed = 43;
  CHECK(first != draw());
}

void logits_that_are_no_numbers_are_an_error() {
  const std::vector<float> broken(4, std::numeric_limits<float>::quiet_NaN());
  SamplingOptions options;
  options.temperature = 1;
  options.top_k = 2;
  CHECK_THROWS(mobillm::Error, choose(options, {}, broken),
               CHECK_EQUAL(error.code(), std::string("NATIVE_FAILURE")));
}

}  // namespace

int main() {
  a_temperature_of_0_takes_the_best();
  biases_move_and_forbid_tokens();
  penalties_look_back_on_the_history_as_far_as_they_are_told();
  what_was_chosen_is_penalized_next();
  narrowing_leaves_the_best();
  a_seed_makes_the_choice_repeatable();
  logits_that_are_no_numbers_are_an_error();
}
