// Core's own sampler chain beside llama.cpp's, its oracle: over many random rows and settings, the
// same candidates with the same probabilities, and the same token from the same seed.
#include "mobillm/sampler_chain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "sampler.hpp"

using mobillm::SamplerChain;
using mobillm::SamplingOptions;
using mobillm::Token;
using mobillm::llamacpp::LlamaSampler;

namespace {

struct Entry {
  Token token;
  float probability;
};

// What was drawn from; what is forbidden, or too improbable for a single, cannot be drawn.
template <typename Candidates>
std::vector<Entry> possible(const Candidates& candidates) {
  std::vector<Entry> entries;
  for (const auto& candidate : candidates) {
    if constexpr (requires { candidate.probability; }) {
      if (candidate.probability > 0) entries.push_back({candidate.token, candidate.probability});
    } else {
      if (candidate.p > 0) entries.push_back({candidate.id, candidate.p});
    }
  }
  return entries;
}

class Cases {
 public:
  explicit Cases(std::uint32_t seed) : random_(seed) {}

  template <typename T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[random_() % choices.size()];
  }
  Token token(std::int32_t size) {
    return static_cast<Token>(random_() % static_cast<unsigned>(size));
  }
  std::uint32_t number() { return static_cast<std::uint32_t>(random_() % 1'000'000); }

  // With `ties` many logits are equal, at every border that a setting can draw.
  std::vector<float> row(std::int32_t size, bool ties) {
    std::normal_distribution<float> spread(0, one_of({0.5f, 3.0f, 9.0f}));
    std::vector<float> logits(static_cast<std::size_t>(size));
    for (float& logit : logits) {
      logit = spread(random_);
      if (ties) logit = std::round(logit * 2) / 2;
    }
    return logits;
  }

  SamplingOptions options(std::int32_t size) {
    SamplingOptions options;
    options.temperature = one_of({0.0f, 0.3f, 0.8f, 1.0f, 1.7f});
    options.top_k = one_of({0, 0, 1, 7, 40, 200, size / 2, size, 10 * size});
    options.top_p = one_of({1.0f, 1.0f, 0.999f, 0.95f, 0.5f, 0.01f});
    options.min_p = one_of({0.0f, 0.0f, 0.05f, 0.5f, 1.0f});
    options.seed = number();
    if (one_of({true, false})) {
      options.repeat_penalty = one_of({1.0f, 1.1f, 0.7f});
      options.frequency_penalty = one_of({0.0f, 0.5f, -1.0f});
      options.presence_penalty = one_of({0.0f, 0.75f, -0.5f});
      options.penalty_last_tokens = one_of({0, 1, 8, 64, 1000});
    }
    if (one_of({true, false})) {
      const float forbidden = -std::numeric_limits<float>::infinity();
      for (const float bias : {1.5f, -2.0f, forbidden, 20.0f}) {
        options.logit_bias.push_back({token(size), bias});
      }
    }
    return options;
  }

 private:
  std::mt19937 random_;
};

bool close(float a, float b) { return std::abs(a - b) <= 2e-5f * std::max(a, b) + 1e-9f; }

bool has_equals(const std::vector<Entry>& entries, std::size_t i) {
  const auto equal = [&](std::size_t j) {
    return j < entries.size() && entries[j].probability == entries[i].probability;
  };
  return equal(i - 1) || equal(i + 1);
}

void compare(const std::vector<Entry>& mine, const std::vector<Entry>& oracle) {
  CHECK_EQUAL(mine.size(), oracle.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    CHECK(close(mine[i].probability, oracle[i].probability));
    // Which of equal ones stands where, or is the last that is kept, is anybody's choice.
    if (mine[i].token != oracle[i].token && i + 1 < mine.size()) CHECK(has_equals(mine, i));
  }
}

float probability_of(const std::vector<Entry>& entries, Token token) {
  for (const Entry& entry : entries) {
    if (entry.token == token) return entry.probability;
  }
  return -1;
}

void agrees_over_random_rows_and_settings() {
  Cases cases(2024);
  int drawn = 0;
  int tied = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto size = cases.one_of({12, 300, 1500, 5000});
    const bool ties = cases.one_of({true, false});
    const SamplingOptions options = cases.options(size);
    std::vector<Token> history(cases.number() % 90);
    for (Token& token : history) token = cases.token(size);
    SamplerChain ours(options, size, history);
    LlamaSampler theirs(options, size, history);
    for (int step = 0; step < 4; ++step) {
      const std::vector<float> logits = cases.row(size, ties);
      const Token mine = ours.choose(logits.data());
      const Token oracle = theirs.choose(logits.data());
      if (options.temperature == 0) {
        CHECK_EQUAL(mine, oracle);
        continue;
      }
      ++drawn;
      const auto our_entries = possible(ours.candidates());
      const auto their_entries = possible(theirs.candidates());
      compare(our_entries, their_entries);
      if (mine == oracle) continue;
      // Equal ones stand in another order, so the same draw meets another of them; from then on
      // the histories differ.
      CHECK(close(probability_of(our_entries, mine), probability_of(their_entries, oracle)));
      ++tied;
      break;
    }
  }
  // The comparison is of something, and nearly always of the very token.
  CHECK(drawn > 5000);
  CHECK(tied > 0 && tied < drawn / 10);
}

}  // namespace

int main() { agrees_over_random_rows_and_settings(); }
