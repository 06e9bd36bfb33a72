// Bounds on what a grammar may ask for: its source may be anybody's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mobillm::grammar_limits {

inline constexpr std::size_t kSourceBytes = std::size_t{1} << 20;
inline constexpr std::size_t kRules = std::size_t{1} << 16;
// Groups and repetitions inside each other.
inline constexpr std::uint32_t kDepth = 256;
// `n` and `m` of `{n,m}`.
inline constexpr std::uint64_t kRepetitions = std::uint64_t{1} << 17;
// Nodes of the compiled form. A repetition is written out, so `x{0,100000}` takes as many.
inline constexpr std::size_t kNodes = std::size_t{1} << 18;
// Items visited while compiling; an empty group that is repeated makes no nodes.
inline constexpr std::size_t kCompileSteps = std::size_t{1} << 20;
// Readings of one text that are possible side by side.
inline constexpr std::size_t kReadings = std::size_t{1} << 16;
// What it costs to reach a reading, where to look at one that is there costs 1: it is looked for in
// tables, and may be put into them.
inline constexpr std::uint64_t kReachCost = 16;
// Cost of one token, or of all tokens of a vocabulary: some hundredths of a second, in which no
// other session gets a token.
inline constexpr std::uint64_t kCost = std::uint64_t{1} << 21;

// Cost that a token may have each time, for as long as it likes: some thousandths of a second.
inline constexpr std::uint64_t kCostEachTime = std::uint64_t{1} << 19;
// What all tokens together may cost beyond that: a grammar is slow where it begins, not with every
// token.
inline constexpr std::uint64_t kCostBeyond = std::uint64_t{1} << 25;

}  // namespace mobillm::grammar_limits
