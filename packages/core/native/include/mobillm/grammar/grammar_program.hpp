// A grammar compiled to bytes: what its matcher runs.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace mobillm {

// A network of nodes in which rules call each other. Characters are spelled out as the bytes of
// their UTF-8, so a token that ends within a character needs no care.
struct GrammarProgram {
  using NodeId = std::uint32_t;

  // The end of every rule.
  static constexpr NodeId kReturn = 0;

  enum class Kind : std::uint8_t {
    kReturn,  // back to where the rule was called
    kBytes,   // goes on by the next byte: `edges` from `begin` to `end`
    kSplit,   // goes on at each of `targets` from `begin` to `end`
    kCall     // goes on at `begin`, and at `end` once that has returned
  };
  struct Node {
    Kind kind;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  struct Edge {
    std::uint8_t low;
    std::uint8_t high;
    NodeId next;
  };

  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::vector<NodeId> targets;
  NodeId start = kReturn;

  // Bytes that no edge tells apart have one number.
  std::array<std::uint8_t, 256> byte_class{};
  std::uint32_t byte_classes = 1;
};

// Parses and compiles. Throws GRAMMAR_INVALID, for left recursion and for what exceeds the bounds
// of grammar_limits.hpp, too.
GrammarProgram compile_grammar(std::string_view source);

}  // namespace mobillm
