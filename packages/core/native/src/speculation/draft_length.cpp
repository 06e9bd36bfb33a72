#include "mobillm/speculation/draft_length.hpp"

#include <algorithm>
#include <cmath>

namespace mobillm {

namespace {

// Steps of one length before their cost is believed.
constexpr int kEnoughSteps = 2;
// The same for plain steps, of which there are plenty.
constexpr int kEnoughPlainSteps = 4;
// How much cheaper a token has to get before a step takes guesses along: less is noise.
constexpr double kLeastGain = 1.05;
// Guesses before their share of right ones is believed.
constexpr int kEnoughGuesses = 4;
// Guesses taken along only to learn the cost: enough to tell, few enough to lose little by.
constexpr std::size_t kProbeTokens = 3;
// Steps between two such, where the last ones did not pay.
constexpr int kStepsBetweenProbes = 64;
// Share of right guesses below which no cost makes it worth while to find out.
constexpr double kWorthProbing = 0.5;

constexpr double kCostMemory = 0.8;
constexpr double kGuessMemory = 0.9;

}  // namespace

void StepCosts::learn(std::size_t drafted, double milliseconds) {
  Cost& cost = costs_[std::min(drafted, kMostDraftTokens)];
  cost.milliseconds = cost.steps == 0
                          ? milliseconds
                          : kCostMemory * cost.milliseconds + (1 - kCostMemory) * milliseconds;
  ++cost.steps;
}

bool StepCosts::known() const {
  return costs_[0].steps >= kEnoughPlainSteps &&
         std::any_of(costs_.begin() + 1, costs_.end(),
                     [](const Cost& cost) { return cost.steps >= kEnoughSteps; });
}

// Along a line through the plain step and the nearest length that was measured: up to the width of
// a machine's vectors a batch costs about that.
std::optional<double> StepCosts::of(std::size_t drafted) const {
  if (costs_[0].steps < kEnoughPlainSteps) return std::nullopt;
  if (drafted == 0) return costs_[0].milliseconds;
  std::optional<std::size_t> nearest;
  for (std::size_t length = 1; length <= kMostDraftTokens; ++length) {
    if (costs_[length].steps < kEnoughSteps) continue;
    const auto distance = [&](std::size_t other) {
      return other > drafted ? other - drafted : drafted - other;
    };
    if (!nearest || distance(length) < distance(*nearest)) nearest = length;
  }
  if (!nearest) return std::nullopt;
  const double plain = costs_[0].milliseconds;
  const double slope = (costs_[*nearest].milliseconds - plain) / static_cast<double>(*nearest);
  // More tokens are never cheaper; less is noise.
  return plain + std::max(0.0, slope) * static_cast<double>(drafted);
}

std::size_t DraftLength::choose(std::size_t offered) {
  ++steps_since_probe_;
  offered = std::min(offered, kMostDraftTokens);
  const std::optional<double> plain = costs_.of(0);
  if (offered == 0 || !plain || (waits_ && guesses_ < kEnoughGuesses)) return 0;
  std::size_t best = 0;
  double best_cost = *plain / kLeastGain;
  for (std::size_t drafted = 1; drafted <= offered && costs_.known(); ++drafted) {
    const double cost = *costs_.of(drafted) / expected_tokens(drafted);
    if (cost < best_cost) {
      best = drafted;
      best_cost = cost;
    }
  }
  if (best == 0 && may_probe()) {
    steps_since_probe_ = 0;
    return std::min(offered, kProbeTokens);
  }
  return best;
}

void DraftLength::learn(bool right) {
  right_ = kGuessMemory * right_ + (1 - kGuessMemory) * (right ? 1.0 : 0.0);
  ++guesses_;
}

// A guess counts only if all before it were right: 1 + r + r² + …, the last token being the
// model's.
double DraftLength::expected_tokens(std::size_t drafted) const {
  double tokens = 1;
  double all_right = 1;
  for (std::size_t i = 0; i < drafted; ++i) {
    all_right *= right_;
    tokens += all_right;
  }
  return tokens;
}

bool DraftLength::may_probe() const {
  return right_ >= kWorthProbing && (!costs_.known() || steps_since_probe_ >= kStepsBetweenProbes);
}

}  // namespace mobillm
