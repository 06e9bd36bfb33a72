// Grammars: what is accepted as one, and which texts they match.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"
#include "mobillm/grammar/grammar_automaton.hpp"
#include "mobillm/grammar/grammar_limits.hpp"
#include "mobillm/utf8.hpp"

using mobillm::compile_grammar;
using mobillm::GrammarAutomaton;
using mobillm::GrammarMatcher;

namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

GrammarMatcher matcher_of(std::string_view source) {
  return GrammarMatcher(std::make_shared<GrammarAutomaton>(compile_grammar(source)));
}

// Whether all of a text matches; fed byte by byte, as tokens may be cut anywhere.
bool matches(std::string_view source, std::string_view text) {
  GrammarMatcher matcher = matcher_of(source);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!matcher.accept(bytes_of(text.substr(i, 1)))) return false;
  }
  return matcher.can_end();
}

void CHECK_MATCHES(std::string_view source, std::vector<std::string_view> texts,
                   std::vector<std::string_view> others) {
  for (const auto text : texts) {
    if (matches(source, text)) continue;
    std::cerr << source << "\ndoes not match: " << text << '\n';
    std::exit(1);
  }
  for (const auto text : others) {
    if (!matches(source, text)) continue;
    std::cerr << source << "\nmatches: " << text << '\n';
    std::exit(1);
  }
}

double detail(const mobillm::Error& error, const std::string& name) {
  for (const auto& [key, value] : error.details()) {
    if (key == name) return std::get<double>(value);
  }
  return 0;
}

void CHECK_INVALID(std::string_view source, double line, double column, std::string_view sentence) {
  CHECK_THROWS(mobillm::Error, compile_grammar(source), {
    CHECK_EQUAL(error.code(), std::string("GRAMMAR_INVALID"));
    if (std::string_view(error.what()).find(sentence) == std::string_view::npos) {
      std::cerr << error.what() << "\nlacks: " << sentence << '\n';
      std::exit(1);
    }
    CHECK_EQUAL(detail(error, "line"), line);
    CHECK_EQUAL(detail(error, "column"), column);
  });
}

void texts_match_literals_classes_and_their_combinations() {
  CHECK_MATCHES("root ::= \"ab\" | \"c\"", {"ab", "c"}, {"", "a", "abc", "b"});
  CHECK_MATCHES("root ::= [a-c_] [^a-c]", {"ax", "_\n", "cé"}, {"aa", "xx", "a"});
  CHECK_MATCHES("root ::= .", {"a", "\n", "é", "€", "😀"}, {"", "ab", "\xC3"});
  CHECK_MATCHES("root ::= \"x\"* \"y\"+ \"z\"?", {"y", "xxyyz"}, {"", "x", "xz", "yzz"});
  CHECK_MATCHES("root ::= \"x\"{2} \"y\"{1,} \"z\"{0,2}", {"xxy", "xxyyzz"},
                {"xy", "xxx", "xxyzzz"});
  CHECK_MATCHES("root ::= \"ab\"{2,3}", {"abab", "ababab"}, {"ab", "abababab", "aabb"});
  CHECK_MATCHES("root ::= (\"a\" | \"b\" (\"c\" | )){2}", {"aa", "bcb", "abc"}, {"a", "cc"});
  CHECK_MATCHES("root ::= [a-] [\\]^-]", {"a]", "-^", "a-"}, {"b]", "aa"});
  CHECK_MATCHES("root ::= (\"a\"*)* (\"b\"?){3}", {"", "aaab", "bbb"}, {"bbbb", "ba"});
  CHECK_MATCHES("root ::= \"\"", {""}, {"a"});
  CHECK_MATCHES("root ::= \"a\"{0}", {""}, {"a"});
}

void escapes_name_any_character() {
  CHECK_MATCHES(R"(root ::= "\x41\u20AC\U0001F600\n\r\t\\\"\[\]\-")", {"A€😀\n\r\t\\\"[]-"}, {"A"});
  CHECK_MATCHES(R"(root ::= [\x41-\x43\u00e9])", {"B", "é"}, {"D", "\xC3"});
  // As JSON spells characters beyond 16 bits.
  CHECK_MATCHES(R"(root ::= "\uD83D\uDE00")", {"😀"}, {"A"});
}

void rules_refer_to_each_other_and_to_themselves() {
  CHECK_MATCHES("root ::= \"(\" root \")\" | \"x\"", {"x", "(x)", "((x))"}, {"(x", "x)", "()"});
  CHECK_MATCHES("list ::= item (\",\" item)*\nitem ::= [0-9]+\nroot ::= \"[\" list? \"]\"",
                {"[]", "[1]", "[12,3]"}, {"[1,]", "[", "1"});
  // Written by right recursion.
  CHECK_MATCHES("root ::= \"a\" root | \"b\"", {"b", "aaaab"}, {"a", "bb"});
}

void white_space_comments_and_line_ends_go_where_they_may() {
  CHECK_MATCHES(
      "# first\r\n\r\nroot ::= # second\r\n  a | # third\r\n  \"b\"\r\na ::= (\n\"x\"\n)\n",
      {"x", "b"}, {"a"});
  CHECK_MATCHES("root ::= \"a\" { 1 , 2 }\n\n\n#", {"a", "aa"}, {"aaa"});
  CHECK_MATCHES("root ::= (\"a\" # in a group\n | \"b\")", {"a", "b"}, {"c"});
}

void what_is_wrong_is_told_with_its_place() {
  CHECK_INVALID("", 1, 1, "no rule \"root\"");
  CHECK_INVALID("a ::= \"x\"", 1, 1, "no rule \"root\"");
  CHECK_INVALID("root ::= a", 1, 10, "there is no rule \"a\"");
  CHECK_INVALID("root = \"a\"", 1, 6, "\"::=\" has to follow the name \"root\", but there is '='");
  CHECK_INVALID("root ::= \"é\n\n", 1, 10, "not closed by a quotation mark");
  CHECK_INVALID("root ::= \"é\" [a", 1, 14, "not closed by \"]\"");
  CHECK_INVALID("root ::= [a-", 1, 10, "not closed by \"]\"");
  CHECK_INVALID("root ::= (\"a\"\n\"b\"", 2, 4,
                "\")\" has to close the group that begins in line 1");
  CHECK_INVALID("root ::= \"a\")", 1, 13, "has to go on or end here, but there is ')'");
  CHECK_INVALID("root ::= *", 1, 10, "nothing before this repetition");
  CHECK_INVALID("root ::= \"a\"{", 1, 14, "a number has to stand here, but the grammar ends here");
  CHECK_INVALID("root ::= \"a\"{2", 1, 15, "\"}\" has to close");
  CHECK_INVALID("root ::= \"a\"{3,2}", 1, 13, "from 3 to 2 times");
  CHECK_INVALID("root ::= \"a\"{99999999999999999999}", 1, 14, "can be counted");
  CHECK_INVALID("root ::= [z-a]", 1, 11, "comes before its beginning");
  CHECK_INVALID("root ::= []", 1, 10, "holds no character");
  CHECK_INVALID("root ::= [^\\U00000000-\\U0010FFFF]", 1, 10, "holds no character");
  CHECK_INVALID("root ::= \"\\q\"", 1, 11, "escape is not known");
  CHECK_INVALID("root ::= \"\\x4g\"", 1, 11, "2 hexadecimal digits");
  CHECK_INVALID("root ::= \"\\U00110000\"", 1, 11, "no character of this number");
  CHECK_INVALID("root ::= \"\\uD83D\"", 1, 11, "half of a surrogate pair");
  CHECK_INVALID("root ::= \"a\"\nroot ::= \"b\"", 2, 1, "defined twice");
  CHECK_INVALID("root ::= <think>", 1, 10, "single tokens cannot be named");
  CHECK_INVALID("root ::= \"a\" \xC3(", 1, 14, "there is another character");
  CHECK_INVALID("root ::= \"\xC3(\"", 1, 11, "no UTF-8");
  CHECK_INVALID(std::string_view("root ::= \"a\"\0", 13), 1, 13, "there is another character");
}

void left_recursion_is_refused_however_it_is_hidden() {
  CHECK_INVALID("root ::= root \"a\" | \"b\"", 1, 1, "\"root\" can call itself");
  CHECK_INVALID("root ::= a\na ::= b \"x\"\nb ::= a?", 1, 10, "left recursion");
  CHECK_INVALID("root ::= \"x\" | e root\ne ::= \"\" | \"y\"", 1, 1, "left recursion");
  CHECK_INVALID("root ::= (\"x\"? root)?", 1, 1, "left recursion");
  // What cannot be empty may stand before; and what is empty may be repeated.
  CHECK_MATCHES("root ::= \"x\" | e+ \"-\" root\ne ::= \"y\" | \"\" | \"z\"", {"x", "y-x", "-z-x"},
                {"y"});
}

void what_would_take_too_much_memory_or_time_is_refused() {
  CHECK_MATCHES("root ::= \"x\"{0,100000}", {"", "xxx"}, {"y"});
  CHECK_INVALID("root ::= \"x\"{0,100000}{0,100000}", 1, 1, "too large");
  CHECK_INVALID("root ::= ((((\"x\"{99}){99}){99}){99}){99}", 1, 1, "too large");
  // Nothing, however often it is repeated.
  CHECK_INVALID("root ::= (((\"\"{1000}){1000}){1000}){1000}", 1, 1, "too large");
  CHECK_INVALID("root ::= " + std::string(300, '(') + "\"x\"" + std::string(300, ')'), 1, 266,
                "deep inside each other");
  CHECK_THROWS(mobillm::Error, compile_grammar("root ::= \"x\"" + std::string(2000, '*')),
               CHECK_EQUAL(error.code(), std::string("GRAMMAR_INVALID")));
  CHECK_INVALID("root ::= \"" + std::string(mobillm::grammar_limits::kSourceBytes, 'x') + "\"", 1,
                1, "longer than");
  CHECK_INVALID("root ::= " + std::string(600'000, '.'), 1, 262154, "too many parts");
  // Each a doubles the ways in which the rest can be read.
  GrammarMatcher ambiguous = matcher_of("root ::= \"a\" (root \"x\" | root \"y\" | \"b\")");
  CHECK_THROWS(mobillm::Error, ambiguous.allows(bytes_of(std::string(64, 'a'))),
               CHECK_EQUAL(error.code(), std::string("GRAMMAR_INVALID")));
}

// What one token may cost is counted: whatever the grammar, others wait some hundredths of a
// second.
void a_token_costs_no_more_than_it_may() {
  // Each character adds a stack; each reading of many leads to all behind it.
  for (const std::string source :
       {"root ::= [a-z] (root \"x\" | root \"y\" | \"b\")?",
        "root ::= [a-z] (root root | root \"y\" | root)?", "root ::= ([a-z]?){60000}"}) {
    GrammarMatcher matcher = matcher_of(source);
    const auto go_on = [&] {
      for (int i = 0; i < 64; ++i) CHECK(matcher.allows(bytes_of(std::string(1 + i, 'a'))));
    };
    CHECK_THROWS(mobillm::Error, go_on(),
                 CHECK_EQUAL(error.code(), std::string("GRAMMAR_INVALID")));
  }
  // A choice of thousands is looked at, and not followed, where a byte tells which it is.
  std::string words = "root ::= \"none\"";
  for (int i = 0; i < 5000; ++i) words += " | \"" + std::to_string(i * 7919 % 100'003) + "\"";
  GrammarMatcher matcher = matcher_of(words);
  for (int byte = 0; byte < 256; ++byte) {
    const auto first = static_cast<std::uint8_t>(byte);
    const bool begins = (byte >= '0' && byte <= '9') || byte == 'n';
    CHECK_EQUAL(matcher.allows({&first, 1}), begins);
  }
}

void many_readings_may_be_followed_but_not_for_ever() {
  // Wherever a text is, it may be before the middle or behind it.
  GrammarMatcher matcher = matcher_of("root ::= \"a\" root \"a\" | \"a\"");
  for (int i = 0; i < 1000; ++i) CHECK(matcher.accept(bytes_of("a")));
  // No token of these is refused by itself.
  const std::string token(32, 'a');
  CHECK(matcher.accept(bytes_of(token)));
  const auto go_on = [&] {
    for (int i = 0; i < 100; ++i) CHECK(matcher.accept(bytes_of(token)));
  };
  CHECK_THROWS(mobillm::Error, go_on(), CHECK_EQUAL(error.code(), std::string("GRAMMAR_INVALID")));
  // In time it may go on: others use the same grammar.
  bool goes_on = false;
  for (int i = 0; i < 100 && !goes_on; ++i) {
    try {
      goes_on = matcher.accept(bytes_of("a"));
    } catch (const mobillm::Error&) {
    }
  }
  CHECK(goes_on);
}

void a_text_has_to_end_where_nothing_can_follow() {
  GrammarMatcher matcher = matcher_of("root ::= \"a\" \"b\"?");
  CHECK(!matcher.can_end() && !matcher.must_end());
  CHECK(matcher.accept(bytes_of("a")));
  CHECK(matcher.can_end() && !matcher.must_end());
  CHECK(matcher.accept(bytes_of("b")));
  CHECK(matcher.can_end() && matcher.must_end());
  CHECK(!matcher.accept(bytes_of("b")));
  CHECK(matcher.must_end());
}

void characters_may_be_cut_anywhere() {
  GrammarMatcher matcher = matcher_of("root ::= [à-é]+ \"€\"");
  CHECK(matcher.accept(bytes_of("\xC3")));
  CHECK(!matcher.can_end());
  CHECK(!matcher.allows(bytes_of("\x9F")));  // ß
  CHECK(!matcher.allows(bytes_of("\xAA")));  // ê
  CHECK(!matcher.allows(bytes_of("a")));
  CHECK(matcher.accept(bytes_of("\xA9\xC3\xA0\xE2")));
  CHECK(!matcher.allows(bytes_of("\x82\xAD")));
  CHECK(matcher.accept(bytes_of("\x82\xAC")));
  CHECK(matcher.must_end());
}

void only_utf_8_is_let_through() {
  const GrammarMatcher matcher = matcher_of("root ::= [^x]");
  for (const std::string_view text :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5", "\xFF"}) {
    CHECK(!matcher.allows(bytes_of(text)));
  }
  for (const std::string_view text : {"\x7F", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                      "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CHECK(matcher.allows(bytes_of(text)));
  }
}

// All characters at the borders of classes, against a plain comparison.
void classes_hold_what_they_say_to_the_character() {
  std::mt19937 random(1);
  for (int round = 0; round < 30; ++round) {
    char32_t ends[4];
    for (char32_t& end : ends) {
      const int bits = 3 + static_cast<int>(random() % 19);
      end = std::min<char32_t>(static_cast<char32_t>(random()) >> (32 - bits), 0x10FFFF);
      if (end >= 0xD800 && end <= 0xDFFF) end = 0xE000;
    }
    std::sort(std::begin(ends), std::end(ends));
    char source[100];
    const bool negated = round % 2 == 1;
    std::snprintf(source, sizeof source, "root ::= [%s\\U%08X-\\U%08X\\U%08X-\\U%08X]",
                  negated ? "^" : "", static_cast<unsigned>(ends[0]),
                  static_cast<unsigned>(ends[1]), static_cast<unsigned>(ends[2]),
                  static_cast<unsigned>(ends[3]));
    const GrammarMatcher matcher = matcher_of(source);
    std::vector<char32_t> points{0,      0x7F,   0x80,   0x7FF,   0x800,
                                 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF};
    for (const char32_t end : ends) {
      points.insert(points.end(),
                    {static_cast<char32_t>(end - 1), end, static_cast<char32_t>(end + 1)});
    }
    for (int i = 0; i < 20; ++i) points.push_back(static_cast<char32_t>(random() % 0x110000));
    for (const char32_t point : points) {
      if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) continue;
      std::string text;
      mobillm::append_utf8(text, point);
      const bool inside =
          (point >= ends[0] && point <= ends[1]) || (point >= ends[2] && point <= ends[3]);
      CHECK_EQUAL(matcher.allows(bytes_of(text)), inside != negated);
    }
  }
}

void a_copy_goes_its_own_way() {
  GrammarMatcher matcher = matcher_of("root ::= \"(\" root \")\" | \"x\"");
  CHECK(matcher.accept(bytes_of("((")));
  GrammarMatcher copy = matcher;
  CHECK(copy.accept(bytes_of("x))")));
  CHECK(copy.must_end());
  CHECK(matcher.accept(bytes_of("(x)")));
  CHECK(!matcher.can_end());
  copy = matcher;
  CHECK(copy.accept(bytes_of("))")));
  CHECK(copy.must_end());
}

void depth_is_followed_without_end_and_memory_comes_back() {
  const auto automaton = std::make_shared<GrammarAutomaton>(
      compile_grammar("root ::= \"[\" (root (\",\" root)*)? \"]\""));
  std::size_t most = 0;
  for (int round = 0; round < 6; ++round) {
    GrammarMatcher matcher(automaton);
    constexpr int kDepth = 20'000;
    for (int i = 0; i < kDepth; ++i) CHECK(matcher.accept(bytes_of("[")));
    const GrammarMatcher middle = matcher;
    for (int i = 0; i < kDepth; ++i) {
      CHECK(!matcher.can_end());
      CHECK(matcher.accept(bytes_of("]")));
    }
    CHECK(matcher.must_end());
    CHECK(middle.allows(bytes_of("],[]")));
    most = std::max(most, automaton->memory_bytes());
  }
  // Three times as many states were made.
  CHECK(most < std::size_t{24} << 20);
}

}  // namespace

int main() {
  texts_match_literals_classes_and_their_combinations();
  escapes_name_any_character();
  rules_refer_to_each_other_and_to_themselves();
  white_space_comments_and_line_ends_go_where_they_may();
  what_is_wrong_is_told_with_its_place();
  left_recursion_is_refused_however_it_is_hidden();
  what_would_take_too_much_memory_or_time_is_refused();
  a_token_costs_no_more_than_it_may();
  many_readings_may_be_followed_but_not_for_ever();
  a_text_has_to_end_where_nothing_can_follow();
  characters_may_be_cut_anywhere();
  only_utf_8_is_let_through();
  classes_hold_what_they_say_to_the_character();
  a_copy_goes_its_own_way();
  depth_is_followed_without_end_and_memory_comes_back();
}
