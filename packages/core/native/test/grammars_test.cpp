// Grammars over a vocabulary, and the choice of tokens by them.
#include "mobillm/grammar/grammars.hpp"

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"
#include "mobillm/grammar/grammar_sampler.hpp"
#include "mobillm/sampler_chain.hpp"

using mobillm::Grammars;
using mobillm::GrammarSampler;
using mobillm::kNoToken;
using mobillm::Token;
using mobillm::TokenBytes;
using mobillm::TokenMatcher;

namespace {

constexpr std::string_view kJson = R"(
root ::= object
value ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= "-"? ([0-9] | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
)";

TokenBytes vocabulary_of(const std::vector<std::string>& texts) {
  TokenBytes bytes;
  for (const std::string& text : texts) {
    bytes.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  return bytes;
}

// All bytes, and random pieces of what the grammars speak of, cut anywhere.
std::vector<std::string> random_vocabulary(std::mt19937& random) {
  const std::string text =
      "{\"name\": \"Zoë\", \"list\": [1, -2.5e+3, true, null],\n\t\"€uro\": {\"a\\u00e9\": "
      "\"😀日本\"}}"
      "abcabc  \n\n  aaaa the quick brown fox";
  std::vector<std::string> texts{""};  // a special token
  for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, static_cast<char>(byte)));
  for (int i = 0; i < 1500; ++i) {
    const std::size_t from = random() % text.size();
    texts.push_back(text.substr(from, 1 + random() % 9));
  }
  texts.push_back("");
  texts.push_back("abc");
  texts.push_back("abc");  // two tokens of one text
  texts.push_back(std::string(2000, 'a'));
  return texts;
}

bool has(const std::vector<std::uint64_t>& set, Token token) {
  const auto bit = static_cast<std::size_t>(token);
  return (set[bit / 64] >> (bit % 64) & 1) != 0;
}

void the_tree_allows_what_single_tokens_do() {
  std::mt19937 random(3);
  const std::vector<std::string> texts = random_vocabulary(random);
  Grammars grammars(vocabulary_of(texts));
  for (const std::string_view source :
       {kJson, std::string_view("root ::= .{0,50}"), std::string_view("root ::= [^a]*"),
        std::string_view("root ::= (\"abc\" | \"ab\" \"ca\"?)+ [ \\n]* [à-ë€😀]?"),
        std::string_view("root ::= \"aaaa\"* | \"aaa\"* \"b\"")}) {
    TokenMatcher matcher = grammars.matcher(std::string(source));
    for (int step = 0; step < 60; ++step) {
      std::vector<Token> allowed;
      const std::vector<std::uint64_t> set = matcher.allowed();
      for (Token token = 0; token < static_cast<Token>(texts.size()); ++token) {
        const std::string& text = texts[static_cast<std::size_t>(token)];
        const bool one = matcher.allows(token);
        // Nobody has tokens of thousands of bytes; they are left out of the tree.
        if (text.size() < 1024) CHECK_EQUAL(has(set, token), one);
        if (text.empty()) CHECK(!one);
        if (one) allowed.push_back(token);
      }
      if (allowed.empty()) break;
      CHECK(matcher.accept(allowed[random() % allowed.size()]));
    }
  }
}

void tokens_that_the_vocabulary_lacks_are_not_allowed() {
  Grammars grammars(vocabulary_of({"a", "b"}));
  TokenMatcher matcher = grammars.matcher("root ::= .*");
  CHECK(matcher.allows(1) && !matcher.allows(2) && !matcher.allows(-1));
  CHECK(!matcher.accept(2));
}

void as_many_grammars_as_anybody_wants_can_be_used_side_by_side() {
  Grammars grammars(vocabulary_of({"a", "b", "c"}));
  std::vector<TokenMatcher> matchers;
  for (int i = 0; i < 30; ++i) {
    matchers.push_back(
        grammars.matcher("root ::= \"" + std::string(static_cast<std::size_t>(i), 'a') + "b\""));
  }
  for (int i = 0; i < 30; ++i) {
    TokenMatcher& matcher = matchers[static_cast<std::size_t>(i)];
    for (int j = 0; j < i; ++j) {
      CHECK(!matcher.allows(1));
      CHECK(matcher.accept(0));
    }
    CHECK_EQUAL(matcher.allowed()[0], 2u);
    CHECK(matcher.accept(1));
    CHECK(matcher.must_end());
  }
}

// Chooses what it is told to and keeps what it was told.
class ScriptedSampler final : public mobillm::TokenSampler {
 public:
  explicit ScriptedSampler(std::vector<Token>& accepted) : accepted_(accepted) {}

  Token sample(const float* logits) override {
    Token best = kNoToken;
    for (Token token = 0; token < 4; ++token) {
      if (logits[token] > (best == kNoToken ? -1e30f : logits[best])) best = token;
    }
    if (best == kNoToken) throw mobillm::Error("NATIVE_FAILURE", "There is nothing to choose.");
    return best;
  }
  void accept(Token token) override { accepted_.push_back(token); }

 private:
  std::vector<Token>& accepted_;
};

void a_refused_choice_is_made_anew_and_not_remembered() {
  Grammars grammars(vocabulary_of({"a", "b", "c", ""}));
  const std::unordered_set<Token> end_tokens{3};
  std::vector<Token> accepted;
  GrammarSampler sampler(std::make_unique<ScriptedSampler>(accepted),
                         grammars.matcher("root ::= [ab] \"c\"+"), end_tokens, 4);
  // The end token is best, then c.
  const float logits[] = {1, 2, 3, 4};
  CHECK_EQUAL(sampler.choose(logits), 1);
  CHECK_EQUAL(sampler.rejected_tokens(), 1);
  CHECK_EQUAL(sampler.choose(logits), 2);
  CHECK_EQUAL(sampler.rejected_tokens(), 2);
  CHECK_EQUAL(sampler.choose(logits), 3);
  CHECK_EQUAL(sampler.rejected_tokens(), 2);
  CHECK((accepted == std::vector<Token>{1, 2, 3}));
}

void a_text_that_nothing_can_follow_ends_or_is_a_dead_end() {
  Grammars grammars(vocabulary_of({"a", "b", "c", ""}));
  std::vector<Token> accepted;
  const float logits[] = {1, 2, 3, 4};
  const std::unordered_set<Token> none;
  GrammarSampler ends(std::make_unique<ScriptedSampler>(accepted),
                      grammars.matcher("root ::= \"a\" \"z\"?"), none, 4);
  CHECK_EQUAL(ends.choose(logits), 0);
  CHECK(!ends.at_end());
  // The grammar could go on, but the vocabulary cannot.
  CHECK_EQUAL(ends.choose(logits), kNoToken);
  GrammarSampler stuck(std::make_unique<ScriptedSampler>(accepted),
                       grammars.matcher("root ::= \"a\" \"z\""), none, 4);
  CHECK_EQUAL(stuck.choose(logits), 0);
  CHECK_THROWS(mobillm::Error, stuck.choose(logits),
               CHECK_EQUAL(error.code(), std::string("GRAMMAR_DEAD_END")));
}

// A choice that is made anew where it was refused comes out as one among the allowed tokens alone.
void the_draw_is_that_of_the_allowed_tokens() {
  const std::vector<float> logits{2.0f, 1.0f, 0.5f, 3.0f, 0.0f, 2.5f};
  Grammars grammars(vocabulary_of({"a", "b", "c", "d", "e", "f"}));
  const std::unordered_set<Token> none;
  mobillm::SamplingOptions options;
  options.temperature = 1;
  options.seed = 11;
  GrammarSampler sampler(std::make_unique<mobillm::SamplerChain>(options, 6, std::vector<Token>{}),
                         grammars.matcher("root ::= [abe]*"), none, 6);
  constexpr int kDraws = 60'000;
  std::vector<double> counts(6, 0);
  for (int i = 0; i < kDraws; ++i)
    counts[static_cast<std::size_t>(sampler.choose(logits.data()))]++;
  const double sum = std::exp(2.0) + std::exp(1.0) + std::exp(0.0);
  for (const Token token : {0, 1, 4}) {
    const auto index = static_cast<std::size_t>(token);
    CHECK(std::abs(counts[index] / kDraws - std::exp(logits[index]) / sum) < 0.008);
  }
  CHECK_EQUAL(counts[2] + counts[3] + counts[5], 0);
}

}  // namespace

int main() {
  the_tree_allows_what_single_tokens_do();
  tokens_that_the_vocabulary_lacks_are_not_allowed();
  as_many_grammars_as_anybody_wants_can_be_used_side_by_side();
  a_refused_choice_is_made_anew_and_not_remembered();
  a_text_that_nothing_can_follow_ends_or_is_a_dead_end();
  the_draw_is_that_of_the_allowed_tokens();
}
