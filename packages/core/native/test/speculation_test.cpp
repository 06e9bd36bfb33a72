#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "check.hpp"
#include "mobillm/speculation/draft_length.hpp"
#include "mobillm/speculation/prompt_lookup.hpp"
#include "mobillm/speculation/speculator.hpp"

using mobillm::DraftLength;
using mobillm::kMostDraftTokens;
using mobillm::PromptLookup;
using mobillm::StepCosts;
using mobillm::Token;

namespace {

std::vector<Token> guess(PromptLookup& lookup, const std::vector<Token>& tokens, std::size_t most) {
  const auto found = lookup.guess(tokens, most);
  return {found.begin(), found.end()};
}

void finds_what_followed_last_time() {
  PromptLookup lookup;
  CHECK(guess(lookup, {}, 4).empty());
  CHECK(guess(lookup, {1, 2, 3, 4, 5, 6}, 4).empty());
  // The last two stood before, and then 3 4 5 6 came.
  CHECK(guess(lookup, {1, 2, 3, 4, 5, 6, 1, 2}, 3) == (std::vector<Token>{3, 4, 5}));
  CHECK(guess(lookup, {1, 2, 3, 4, 5, 6, 1, 2, 9}, 3).empty());
}

void takes_the_latest_and_the_longest() {
  PromptLookup latest;
  CHECK(guess(latest, {1, 2, 7, 1, 2, 8, 1, 2}, 1) == (std::vector<Token>{8}));
  // Four tokens stood before 7, of which the last two stood before 8 since.
  PromptLookup longest;
  CHECK(guess(longest, {1, 2, 3, 4, 7, 3, 4, 8, 1, 2, 3, 4}, 1) == (std::vector<Token>{7}));
}

void guesses_no_further_than_the_text() {
  PromptLookup lookup;
  CHECK(guess(lookup, {5, 5, 5}, 8) == (std::vector<Token>{5}));
}

// A token at a time, as it is used, comes to the same as all at once.
void does_not_depend_on_the_calls() {
  std::vector<Token> tokens;
  PromptLookup stepwise;
  for (int i = 0; i < 500; ++i) {
    tokens.push_back(i * i % 7 + i % 3);
    PromptLookup at_once;
    CHECK(guess(stepwise, tokens, 8) == guess(at_once, tokens, 8));
  }
}

StepCosts costs_of(double plain, double each) {
  StepCosts costs;
  for (int i = 0; i < 8; ++i) costs.learn(0, plain);
  for (int i = 0; i < 4; ++i) costs.learn(4, plain + 4 * each);
  return costs;
}

DraftLength lengths(const StepCosts& costs, int right, int of) {
  DraftLength length(costs);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < of; ++i) length.learn(i < right);
  }
  return length;
}

void takes_all_along_where_a_batch_costs_as_a_token() {
  const StepCosts costs = costs_of(10, 0);
  CHECK_EQUAL(lengths(costs, 9, 10).choose(8), 8u);
  CHECK_EQUAL(lengths(costs, 9, 10).choose(3), 3u);
  CHECK_EQUAL(lengths(costs, 9, 10).choose(100), kMostDraftTokens);
}

void takes_none_along_where_a_batch_costs_as_its_tokens() {
  const StepCosts costs = costs_of(10, 9);
  DraftLength length = lengths(costs, 9, 10);
  std::size_t taken = 0;
  for (int step = 0; step < 640; ++step) taken += length.choose(8);
  // But for what finds out whether that has changed.
  CHECK(taken > 0);
  CHECK(taken <= 10 * 3);
}

void takes_fewer_along_the_less_they_are_right() {
  const StepCosts costs = costs_of(10, 4);
  const std::size_t often = lengths(costs, 9, 10).choose(8);
  const std::size_t sometimes = lengths(costs, 6, 10).choose(8);
  CHECK(often > sometimes);
  CHECK(sometimes > 0);
  CHECK_EQUAL(lengths(costs, 1, 10).choose(8), 0u);
}

void measures_before_it_believes() {
  StepCosts costs;
  DraftLength length = lengths(costs, 10, 10);
  CHECK_EQUAL(length.choose(8), 0u);
  for (int i = 0; i < 8; ++i) costs.learn(0, 10);
  // Nothing is known of longer steps yet: a few are tried.
  CHECK_EQUAL(length.choose(8), 3u);
  costs.learn(3, 11);
  CHECK_EQUAL(length.choose(8), 3u);
  costs.learn(3, 11);
  CHECK_EQUAL(length.choose(8), 8u);
  // Without a guess there is nothing to take along.
  CHECK_EQUAL(length.choose(0), 0u);
}

// Takes its time to read a text, and then guesses at once.
class SlowReader final : public mobillm::Drafter {
 public:
  bool is_cheap() const override { return false; }
  std::span<const Token> guess(std::span<const Token>, std::size_t most) override {
    const auto start = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    reading_ms_ =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    guess_.assign(most, 1);
    return guess_;
  }
  double reading_ms() const override { return reading_ms_; }

 private:
  std::vector<Token> guess_;
  double reading_ms_ = 0;
};

// What a draft model reads of a prompt, it reads once: no later step costs as much.
void counts_no_reading_as_the_cost_of_a_step() {
  StepCosts costs;
  for (int i = 0; i < 8; ++i) costs.learn(0, 1);
  const std::vector<Token> history{1, 1};
  mobillm::Speculator speculator(std::make_unique<SlowReader>(), costs, true, history);
  for (int step = 0; step < 3; ++step) {
    const std::size_t drafted = speculator.draft(4).size();
    CHECK_EQUAL(drafted, 4u);
    const std::vector<Token> sampled(5, 1);
    speculator.add(sampled, 1.0);
  }
  CHECK(costs.of(4).value() < 100);
  CHECK_EQUAL(speculator.counts().drafted, 12);
  CHECK_EQUAL(speculator.counts().accepted, 12);
}

void notices_that_costs_change() {
  StepCosts costs = costs_of(10, 0);
  DraftLength length = lengths(costs, 9, 10);
  CHECK(length.choose(4) > 0);
  for (int i = 0; i < 30; ++i) costs.learn(4, 60);
  CHECK_EQUAL(length.choose(4), 0u);
}

}  // namespace

int main() {
  finds_what_followed_last_time();
  takes_the_latest_and_the_longest();
  guesses_no_further_than_the_text();
  does_not_depend_on_the_calls();
  takes_all_along_where_a_batch_costs_as_a_token();
  takes_none_along_where_a_batch_costs_as_its_tokens();
  takes_fewer_along_the_less_they_are_right();
  measures_before_it_believes();
  counts_no_reading_as_the_cost_of_a_step();
  notices_that_costs_change();
}
