// How many guessed tokens a step takes along, by what steps cost and how often guesses are right.
// Plain C++: no Node-API here.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

namespace mobillm {

// Most guessed tokens of one step.
inline constexpr std::size_t kMostDraftTokens = 8;

// What a step of one sequence costs with so many guessed tokens in it, measured. One a model: it is
// the machine's and the weights' doing, not the text's.
class StepCosts {
 public:
  // `milliseconds` of a step with `drafted` guessed tokens, with what the guessing took.
  void learn(std::size_t drafted, double milliseconds);
  // What such a step would cost; nothing where too little was measured to say.
  std::optional<double> of(std::size_t drafted) const;
  // Whether more than one length was measured, so that others follow from them.
  bool known() const;

 private:
  struct Cost {
    double milliseconds = 0;
    int steps = 0;
  };
  std::array<Cost, kMostDraftTokens + 1> costs_{};
};

// One a generation: how often the guesses were right is the text's doing.
class DraftLength {
 public:
  // `waits` has it wait for some guesses that no step took along before it believes in any; without
  // it guesses are only made to be taken along.
  explicit DraftLength(const StepCosts& costs, bool waits = true) : costs_(costs), waits_(waits) {}

  // How many guessed tokens the next step takes along, where so many are on offer; 0 where a plain
  // step makes tokens as cheaply. Now and then it takes some along only to learn what that costs.
  std::size_t choose(std::size_t offered);
  // Takes whether a guess was right, of a token that was guessed after right ones alone. Also of
  // guesses that no step took along: whoever has sampled the token knows.
  void learn(bool right);

 private:
  // Tokens that a step comes to, on average.
  double expected_tokens(std::size_t drafted) const;
  bool may_probe() const;

  const StepCosts& costs_;
  const bool waits_;
  double right_ = 0.5;  // share of right guesses, the last ones weighing most
  int guesses_ = 0;
  int steps_since_probe_ = 0;
};

}  // namespace mobillm
