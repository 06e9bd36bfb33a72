#include "mobillm/grammar/token_trie.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace mobillm {

TokenTrie::TokenTrie(const TokenBytes& bytes)
    : words_((static_cast<std::size_t>(bytes.size()) + 63) / 64) {
  for (Token token = 0; token < bytes.size(); ++token) {
    const std::size_t length = bytes.of(token).size();
    if (length > 0 && length <= kMostBytes) tokens_.push_back(token);
  }
  std::ranges::sort(tokens_, [&](Token a, Token b) {
    const auto left = bytes.of(a);
    const auto right = bytes.of(b);
    const int order = std::memcmp(left.data(), right.data(), std::min(left.size(), right.size()));
    return order != 0 ? order < 0 : left.size() < right.size();
  });
  std::vector<std::uint32_t> path;  // the nodes of the latest token
  std::span<const std::uint8_t> before;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const auto current = bytes.of(tokens_[i]);
    const auto shared =
        static_cast<std::size_t>(std::ranges::mismatch(before, current).in2 - current.begin());
    for (; path.size() > shared; path.pop_back()) {
      nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
    }
    for (std::size_t depth = shared; depth < current.size(); ++depth) {
      path.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back(
          {0, static_cast<std::uint32_t>(i), static_cast<std::uint16_t>(depth), current[depth]});
    }
    before = current;
  }
  for (const std::uint32_t node : path)
    nodes_[node].end = static_cast<std::uint32_t>(nodes_.size());
  // The end of the last node's tokens.
  nodes_.push_back({static_cast<std::uint32_t>(nodes_.size() + 1),
                    static_cast<std::uint32_t>(tokens_.size()), 0, 0});
}

std::vector<std::uint64_t> TokenTrie::allowed(GrammarAutomaton& automaton,
                                              GrammarAutomaton::StateId state) const {
  std::vector<std::uint64_t> allowed(words_, 0);
  GrammarAutomaton::StateId states[kMostBytes + 1];
  states[0] = state;
  const std::size_t count = nodes_.size() - 1;
  for (std::size_t i = 0; i < count;) {
    const Node& node = nodes_[i];
    const GrammarAutomaton::StateId next = automaton.step(states[node.depth], node.byte);
    if (next == GrammarAutomaton::kDead) {
      i = node.end;
      continue;
    }
    states[node.depth + 1] = next;
    for (std::uint32_t token = node.first_token; token < nodes_[i + 1].first_token; ++token) {
      const auto bit = static_cast<std::size_t>(tokens_[token]);
      allowed[bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
    ++i;
  }
  return allowed;
}

}  // namespace mobillm
