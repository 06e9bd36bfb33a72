#include "mobillm/speculation/speculator.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace mobillm {

Speculator::Speculator(std::unique_ptr<Drafter> drafter, StepCosts& costs, bool always,
                       std::span<const Token> history)
    : drafter_(std::move(drafter)),
      costs_(costs),
      length_(costs, drafter_->is_cheap()),
      always_(always),
      history_(history.begin(), history.end()) {}

std::span<const Token> Speculator::draft(std::size_t most) {
  const auto start = std::chrono::steady_clock::now();
  // A cheap guess is made in any case: whether it was right is worth knowing.
  const bool cheap = drafter_->is_cheap();
  const std::size_t asked =
      cheap || always_ ? std::min(most, kMostDraftTokens) : length_.choose(most);
  const std::span<const Token> guess =
      asked > 0 || (cheap && most > 0) ? drafter_->guess(history_, std::max<std::size_t>(asked, 1))
                                       : std::span<const Token>();
  guess_.assign(guess.begin(), guess.end());
  const std::size_t offered = std::min(guess_.size(), asked);
  taken_ = cheap && !always_ ? length_.choose(offered) : offered;
  const double guess_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  draft_ms_ = std::max(0.0, guess_ms - drafter_->reading_ms());
  return std::span(guess_).first(taken_);
}

void Speculator::add(std::span<const Token> sampled, std::optional<double> step_ms) {
  for (std::size_t i = 0; i < std::min(guess_.size(), sampled.size()); ++i) {
    const bool right = guess_[i] == sampled[i];
    length_.learn(right);
    if (i < taken_ && right) ++counts_.accepted;
    if (!right) break;
  }
  counts_.drafted += static_cast<std::int64_t>(taken_);
  if (step_ms) costs_.learn(taken_, *step_ms + draft_ms_);
  guess_.clear();
  taken_ = 0;
  history_.insert(history_.end(), sampled.begin(), sampled.end());
}

}  // namespace mobillm
