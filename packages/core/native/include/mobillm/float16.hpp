// Half precision and bfloat16 to and from single precision, by bits alone, so that every CPU and
// compiler gives the same. Rounds to nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

namespace mobillm {

// IEEE 754 binary16. Exact, subnormals included; a NaN stays one.
constexpr float f16_to_f32(std::uint16_t half) noexcept {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7FFFu;
  if (magnitude >= 0x7C00u) {
    // A NaN is made quiet, as hardware does.
    const std::uint32_t quiet = magnitude > 0x7C00u ? 0x400000u : 0;
    return std::bit_cast<float>(sign | 0x7F800000u | ((magnitude & 0x3FFu) << 13) | quiet);
  }
  if (magnitude < 0x400u) {
    // A subnormal half is a multiple of 2^-24, which single precision holds exactly.
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
}

// IEEE 754 binary16. What is too large becomes infinite; a NaN stays one, made quiet.
constexpr std::uint16_t f32_to_f16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000u) {
    half = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
  } else if (magnitude >= 0x477FF000u) {  // 65520: halfway to 2^16, which rounds to infinity
    half = 0x7C00u;
  } else if (magnitude < 0x38800000u) {  // below 2^-14: subnormal
    // Adding 0.5 moves the 24 bits below the point of a half to the lowest ones of the sum; the
    // addition itself rounds to nearest even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    half = std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5f);
  } else {
    // Rounds the 13 bits that go; a carry into the exponent is right as it is.
    const std::uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
    half = (rounded - (112u << 23)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

// The upper half of a single. Exact.
constexpr float bf16_to_f32(std::uint16_t brain) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(brain) << 16);
}

// What is too large becomes infinite; a NaN stays one, made quiet.
constexpr std::uint16_t f32_to_bf16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace mobillm
