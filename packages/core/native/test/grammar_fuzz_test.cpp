// Mutated grammars: each is read or refused with a code, in bounded time, and what was read is run.
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"
#include "mobillm/grammar/grammar_automaton.hpp"

using mobillm::GrammarAutomaton;
using mobillm::GrammarMatcher;

namespace {

constexpr std::array<std::string_view, 5> kSeeds{
    "root ::= object\nvalue ::= object | [0-9]+ | \"x\\\"\\u20AC\"\nobject ::= \"{\" (value (\",\" "
    "value)*)? \"}\"\n",
    "root ::= [^a-z\\]\\n]{2,5} (\"a\"? | .)* # comment\n\nb ::= root \"b\" {3}\n",
    "root ::= (\"a\" | \"b\" (\"c\" | )){2,} item\nitem ::= \"é\" | [à-ü] item | \"\\U0001F600\"\n",
    "root ::= \"a\" (root \"x\" | root \"y\" | \"b\")\n",
    "root ::= ((\"a\"*)* (\"b\"{0,9}){0,9} | (\"a\"+)+){1,9}\n"};

constexpr std::string_view kPieces[] = {
    "*",      "+",    "?",    "{",   "}",     "{0,}",  "{7,900}", "(",   ")",
    "|",      "root", "item", "::=", "\n",    "\"",    "[",       "]",   "^",
    "-",      "\\",   "\\x",  ".",   "\"\"",  "\xFF",  "{9999}",  " # ", "\\uD800",
    "b ::= ", "(((",  ")))",  "\0",  "value", "[^x]*", "{1,2}"};

std::string mutate(std::string text, std::mt19937& random) {
  const int changes = 1 + static_cast<int>(random() % 3);
  for (int i = 0; i < changes; ++i) {
    const std::size_t at = random() % (text.size() + 1);
    switch (random() % 5) {
      case 0:
        text.insert(at, kPieces[random() % std::size(kPieces)]);
        break;
      case 1:
        text.erase(at, random() % 8);
        break;
      case 2:
        text.insert(at, text.substr(random() % (text.size() + 1), random() % 30));
        break;
      case 3:
        text.insert(at, kPieces[random() % 3]);
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(random());
    }
    if (text.empty()) text.push_back('r');
  }
  return text;
}

// Runs a grammar over random bytes, among them many that it wants.
void run(const std::string& source, std::mt19937& random) {
  const auto automaton = std::make_shared<GrammarAutomaton>(mobillm::compile_grammar(source));
  GrammarMatcher matcher(automaton);
  for (int i = 0; i < 24 && !matcher.must_end(); ++i) {
    std::vector<std::uint8_t> next;
    for (int byte = 0; byte < 256; ++byte) {
      const auto value = static_cast<std::uint8_t>(byte);
      if (matcher.allows({&value, 1})) next.push_back(value);
    }
    if (next.empty()) return;
    CHECK(matcher.accept({&next[random() % next.size()], 1}));
  }
}

}  // namespace

int main() {
  std::mt19937 random(5);
  int valid = 0;
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string source =
        mutate(std::string(kSeeds[static_cast<std::size_t>(i) % kSeeds.size()]), random);
    try {
      run(source, random);
      ++valid;
    } catch (const mobillm::Error& error) {
      CHECK_EQUAL(error.code(), std::string("GRAMMAR_INVALID"));
      ++refused;
    }
  }
  // Both were really tried.
  CHECK(valid > 100 && refused > 100);
}
