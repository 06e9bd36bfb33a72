// Weights in 4 bits: groups of 32 that share a scale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mobillm::mlc {

// Weights that share a scale.
inline constexpr std::size_t kGroupWeights = 32;

// Weights in one word, the first in its lowest bits.
inline constexpr std::size_t kWordWeights = 8;

// The nibble that stands for zero: a weight is (nibble - 7) * scale.
inline constexpr int kZeroPoint = 7;

// Quantizes a row, whose length is a multiple of 32. Of several scales for a group that with the
// least sum of squared errors is taken. `words` has an eighth as many numbers as `row`, `scales` a
// thirty-second.
//
// Returns false when a weight is infinite or no number; words and scales are then undefined.
[[nodiscard]] bool quantize_row(std::span<const float> row, std::span<std::uint32_t> words,
                                std::span<float> scales) noexcept;

}  // namespace mobillm::mlc
