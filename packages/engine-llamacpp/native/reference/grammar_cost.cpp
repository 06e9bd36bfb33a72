// What a grammar costs, beside llama.cpp's own grammar sampler, over a model's vocabulary.
//
//   grammar_cost <model.gguf> <grammar.gbnf> <text> <rounds>
//
// Follows the text, which has to match, token by token; at each place a token is looked at, and
// then all of them. Prints medians of the rounds as JSON.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "../test/grammar_oracle.hpp"
#include "../test/vocabulary_files.hpp"
#include "library_log.hpp"
#include "mobillm/grammar/token_trie.hpp"
#include "vocabulary.hpp"

using mobillm::GrammarAutomaton;
using mobillm::GrammarMatcher;
using mobillm::TokenBytes;
using mobillm::TokenTrie;

namespace {

double microseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Microseconds a place of the text, of one round.
struct Round {
  double check = 0;       // one token, with what was found out before
  double first_mask = 0;  // all tokens, on a grammar that was just compiled
  double mask = 0;        // all tokens, with what was found out before, but for the sets themselves
  double library = 0;     // all tokens, by llama.cpp
};

}  // namespace

int main(int argc, char** argv) {
  CHECK_EQUAL(argc, 5);
  mobillm::llamacpp::install_library_log();
  const auto model = mobillm::test::load_vocabulary(argv[1]);
  const llama_vocab* vocab = llama_model_get_vocab(model.get());
  const mobillm::llamacpp::Vocabulary vocabulary(vocab);
  const std::string source = mobillm::test::read_file(argv[2]);
  const std::vector<llama_token> tokens = vocabulary.encode(argv[3], false, false);
  const TokenBytes bytes = vocabulary.token_bytes();

  std::unique_ptr<TokenTrie> trie;
  const double trie_us = microseconds([&] { trie = std::make_unique<TokenTrie>(bytes); });
  std::vector<Round> rounds(std::stoul(argv[4]));
  std::vector<double> compiling;
  std::size_t allowed_tokens = 0;
  for (Round& round : rounds) {
    std::shared_ptr<GrammarAutomaton> automaton;
    compiling.push_back(microseconds(
        [&] { automaton = std::make_shared<GrammarAutomaton>(mobillm::compile_grammar(source)); }));
    mobillm::test::GrammarOracle oracle(vocab, source);
    for (const bool first : {true, false}) {
      GrammarMatcher matcher(automaton);
      for (const llama_token token : tokens) {
        std::vector<std::uint64_t> set;
        automaton->tidy();
        (first ? round.first_mask : round.mask) +=
            microseconds([&] { set = trie->allowed(*automaton, matcher.state()); });
        if (first) {
          round.library += microseconds([&] { oracle.apply(); });
          oracle.accept(token);
          for (const std::uint64_t word : set) {
            allowed_tokens += static_cast<std::size_t>(__builtin_popcountll(word));
          }
        } else {
          bool allowed = false;
          round.check += microseconds([&] { allowed = matcher.allows(bytes.of(token)); });
          CHECK(allowed);
        }
        CHECK(matcher.accept(bytes.of(token)));
      }
    }
  }
  const auto per_token = [&](double Round::*member) {
    std::vector<double> values;
    for (const Round& round : rounds)
      values.push_back(round.*member / static_cast<double>(tokens.size()));
    return median(values);
  };
  std::cout << "{\"vocabulary\": " << vocabulary.size() << ", \"tokens\": " << tokens.size()
            << ", \"allowedTokens\": " << allowed_tokens / rounds.size() / tokens.size()
            << ", \"trieUs\": " << trie_us << ", \"compileUs\": " << median(compiling)
            << ", \"checkUs\": " << per_token(&Round::check)
            << ", \"firstMaskUs\": " << per_token(&Round::first_mask)
            << ", \"maskUs\": " << per_token(&Round::mask)
            << ", \"libraryMaskUs\": " << per_token(&Round::library) << "}\n";
}
