// Guesses that a text repeats itself. Plain C++: no Node-API here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "mobillm/speculation/drafter.hpp"

namespace mobillm {

// Finds where the last few tokens stood before, most recently, and guesses what followed them
// there: right where an answer quotes its prompt, as summaries, corrections and code do. It costs a
// look into a table, and no model.
class PromptLookup final : public Drafter {
 public:
  bool is_cheap() const override { return true; }
  std::span<const Token> guess(std::span<const Token> tokens, std::size_t most) override;

 private:
  // Long enough to mean something; the shorter is asked where the longer stood nowhere.
  static constexpr std::array<std::size_t, 2> kKeyTokens{4, 2};

  void index(std::span<const Token> tokens);
  // Behind which token the key that ends the text stood before.
  std::optional<std::size_t> find(std::span<const Token> tokens, std::size_t table) const;

  std::size_t indexed_ = 0;
  // By hash of a key: behind which token it stood last.
  std::array<std::unordered_map<std::uint64_t, std::size_t>, kKeyTokens.size()> tables_;
};

}  // namespace mobillm
