// The parsed form of a grammar in GBNF, the notation of llama.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mobillm {

// Code points from `low` to `high`.
struct CodePointRange {
  char32_t low;
  char32_t high;
};

using GrammarItemId = std::uint32_t;

// A part of a rule. Which members count depends on `kind`.
struct GrammarItem {
  enum class Kind { kLiteral, kClass, kReference, kSequence, kAlternatives, kRepetition };

  static constexpr std::uint32_t kNoMaximum = UINT32_MAX;

  Kind kind = Kind::kSequence;
  std::string literal;                 // UTF-8
  std::vector<CodePointRange> ranges;  // of a class: sorted, apart, without surrogates
  std::uint32_t rule = 0;              // of a reference
  std::vector<GrammarItemId> parts;    // of a sequence, of alternatives; the one that is repeated
  std::uint32_t minimum = 0;
  std::uint32_t maximum = kNoMaximum;
  std::uint32_t depth = 0;  // of the items inside of it
};

struct GrammarRule {
  std::string name;
  std::size_t offset = 0;  // of its first mention in the source
  bool defined = false;
  GrammarItemId body = 0;
};

struct GrammarSyntax {
  std::vector<GrammarRule> rules;
  std::vector<GrammarItem> items;
  std::uint32_t root = 0;
};

// Throws GRAMMAR_INVALID with `line` and `column` of what is wrong, both from 1; columns count
// characters.
GrammarSyntax parse_grammar(std::string_view source);

// The error for a place in a source.
[[noreturn]] void throw_grammar_invalid(std::string_view source, std::size_t offset,
                                        const std::string& sentence);

}  // namespace mobillm
