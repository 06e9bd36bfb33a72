// A vocabulary as a tree of bytes, so that what tokens have in common is looked at once.
#pragma once

#include <cstdint>
#include <vector>

#include "mobillm/grammar/grammar_automaton.hpp"
#include "mobillm/grammar/token_bytes.hpp"

namespace mobillm {

// Constant once it is made.
class TokenTrie {
 public:
  // Longer tokens are left out; there are none that long in use.
  static constexpr std::size_t kMostBytes = 1024;

  explicit TokenTrie(const TokenBytes& bytes);

  // The tokens that a text can go on with from `state`, as a set of `words()` words with one bit a
  // token. Throws as `GrammarAutomaton::step` does.
  std::vector<std::uint64_t> allowed(GrammarAutomaton& automaton,
                                     GrammarAutomaton::StateId state) const;

  std::size_t words() const { return words_; }

 private:
  // In the order of a walk that goes down first: what begins with a node's bytes follows it.
  struct Node {
    std::uint32_t end;          // the first node behind its subtree
    std::uint32_t first_token;  // in `tokens_`; the last one is before the next node's first
    std::uint16_t depth;        // 0 for single bytes
    std::uint8_t byte;
  };

  std::vector<Node> nodes_;
  std::vector<Token> tokens_;
  std::size_t words_;
};

}  // namespace mobillm
