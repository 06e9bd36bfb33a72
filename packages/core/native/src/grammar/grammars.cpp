#include "mobillm/grammar/grammars.hpp"

#include <algorithm>
#include <utility>

namespace mobillm {

const TokenTrie& GrammarVocabulary::trie() {
  if (!trie_) trie_.emplace(bytes_);
  return *trie_;
}

bool TokenMatcher::allows(Token token) const {
  const auto bytes = vocabulary_->bytes().of(token);
  return !bytes.empty() && matcher_.allows(bytes);
}

bool TokenMatcher::accept(Token token) {
  const auto bytes = vocabulary_->bytes().of(token);
  return !bytes.empty() && matcher_.accept(bytes);
}

const std::vector<std::uint64_t>& TokenMatcher::allowed() const {
  GrammarAutomaton& automaton = matcher_.automaton();
  automaton.tidy();
  if (const auto* known = automaton.token_set(matcher_.state())) return *known;
  return automaton.keep_token_set(matcher_.state(),
                                  vocabulary_->trie().allowed(automaton, matcher_.state()));
}

TokenMatcher Grammars::matcher(const std::string& source) {
  const auto known = std::ranges::find(entries_, source, &Entry::source);
  if (known != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, known);
  } else {
    entries_.push_front({source, std::make_shared<GrammarAutomaton>(compile_grammar(source))});
    if (entries_.size() > kKept) entries_.pop_back();
  }
  return {vocabulary_, entries_.front().automaton};
}

}  // namespace mobillm
