// Guesses ahead for one generation. Plain C++: no Node-API here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mobillm/speculation/draft_length.hpp"
#include "mobillm/speculation/drafter.hpp"
#include "mobillm/token.hpp"

namespace mobillm {

// Tokens that steps took along, and how many of them were right.
struct DraftCounts {
  std::int64_t drafted = 0;
  std::int64_t accepted = 0;
};

// Asks a drafter for what may follow, decides how much of it a step takes along, and learns from
// what became of it. Used on the model's thread alone.
class Speculator {
 public:
  // `history` is what is in the sequence before the first token is sampled. With `always` steps
  // take along all that is guessed, whether that pays or not.
  Speculator(std::unique_ptr<Drafter> drafter, StepCosts& costs, bool always,
             std::span<const Token> history);

  // What the next step is to take along behind the token that was sampled last: at most `most`.
  // Good until the next call.
  std::span<const Token> draft(std::size_t most);
  // Takes the tokens that were sampled from the rows of a step; `step_ms` is what the step took,
  // nothing where others had a part in it.
  void add(std::span<const Token> sampled, std::optional<double> step_ms);

  // So far.
  DraftCounts counts() const noexcept { return counts_; }

 private:
  const std::unique_ptr<Drafter> drafter_;
  StepCosts& costs_;
  DraftLength length_;
  const bool always_;
  std::vector<Token> history_;
  std::vector<Token> guess_;
  std::size_t taken_ = 0;  // of `guess_`, along with the step that runs
  double draft_ms_ = 0;
  DraftCounts counts_;
};

}  // namespace mobillm
