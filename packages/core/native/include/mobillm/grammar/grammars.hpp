// The grammars of a model: compiled once each, and run over its vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mobillm/grammar/grammar_automaton.hpp"
#include "mobillm/grammar/token_bytes.hpp"
#include "mobillm/grammar/token_trie.hpp"

namespace mobillm {

// A vocabulary, with the tree that is made of it when it is first needed. For one thread.
class GrammarVocabulary {
 public:
  explicit GrammarVocabulary(TokenBytes bytes) : bytes_(std::move(bytes)) {}

  const TokenBytes& bytes() const { return bytes_; }
  const TokenTrie& trie();

 private:
  const TokenBytes bytes_;
  std::optional<TokenTrie> trie_;
};

// How far a text has come in a grammar, token by token. A copy costs a few counts, so that tokens
// may be tried; it goes its own way. For the thread of its model.
class TokenMatcher {
 public:
  TokenMatcher(std::shared_ptr<GrammarVocabulary> vocabulary,
               std::shared_ptr<GrammarAutomaton> automaton)
      : vocabulary_(std::move(vocabulary)), matcher_(std::move(automaton)) {}

  // Whether the text can go on with a token. Never with one that stands for no text.
  bool allows(Token token) const;
  // Goes on with a token, and returns true; false, where it stays, if it cannot.
  bool accept(Token token);

  // Whether the text may end here, and whether it has to.
  bool can_end() const { return matcher_.can_end(); }
  bool must_end() const { return matcher_.must_end(); }

  // All tokens that it can go on with, one bit each, by number; good until the next call of this
  // or another matcher of the model.
  const std::vector<std::uint64_t>& allowed() const;

 private:
  std::shared_ptr<GrammarVocabulary> vocabulary_;
  GrammarMatcher matcher_;
};

// One a model, for its thread.
class Grammars {
 public:
  // Grammars that are kept compiled; the one used longest ago goes first.
  static constexpr std::size_t kKept = 8;

  explicit Grammars(TokenBytes bytes)
      : vocabulary_(std::make_shared<GrammarVocabulary>(std::move(bytes))) {}

  // At the beginning of a text. Throws GRAMMAR_INVALID.
  TokenMatcher matcher(const std::string& source);

 private:
  struct Entry {
    std::string source;
    std::shared_ptr<GrammarAutomaton> automaton;
  };

  std::shared_ptr<GrammarVocabulary> vocabulary_;
  std::list<Entry> entries_;  // the one used last comes first
};

}  // namespace mobillm
