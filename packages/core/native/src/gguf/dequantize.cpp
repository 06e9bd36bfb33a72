#include "mobillm/gguf/dequantize.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "mobillm/error.hpp"
#include "mobillm/float16.hpp"

namespace mobillm::gguf {
namespace {

// Bytes may alias anything, so the functions below promise that a block and its weights do not:
// then the compiler works on many weights at once. The size of a block stands in the table at the
// end.
using Block = const std::uint8_t* __restrict;
using Weights = float* __restrict;

std::uint16_t u16_at(Block block, std::size_t at) {
  return static_cast<std::uint16_t>(block[at] | (block[at + 1] << 8));
}

float half_at(Block block, std::size_t at) { return f16_to_f32(u16_at(block, at)); }

constexpr int low(std::uint8_t byte) { return byte & 15; }
constexpr int high(std::uint8_t byte) { return byte >> 4; }

// --- one weight a block -----------------------------------------------------------------------

void read_f32(Block block, Weights out) { std::memcpy(out, block, sizeof(float)); }

void read_f16(Block block, Weights out) { *out = half_at(block, 0); }

void read_bf16(Block block, Weights out) { *out = bf16_to_f32(u16_at(block, 0)); }

// --- blocks of 32 weights: a scale, perhaps an offset, and the weights, low halves of the bytes
// first

void read_q4_0(Block block, Weights out) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(low(block[2 + i]) - 8) * scale;
    out[i + 16] = static_cast<float>(high(block[2 + i]) - 8) * scale;
  }
}

void read_q4_1(Block block, Weights out) {
  const float scale = half_at(block, 0);
  const float offset = half_at(block, 2);
  for (std::size_t i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(low(block[4 + i])) * scale + offset;
    out[i + 16] = static_cast<float>(high(block[4 + i])) * scale + offset;
  }
}

// The fifth bit of weight i is bit i of 32.
int fifth_bit(Block block, std::size_t at, std::size_t i) {
  return ((block[at + i / 8] >> (i % 8)) & 1) << 4;
}

void read_q5_0(Block block, Weights out) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((low(block[6 + i]) | fifth_bit(block, 2, i)) - 16) * scale;
    out[i + 16] =
        static_cast<float>((high(block[6 + i]) | fifth_bit(block, 2, i + 16)) - 16) * scale;
  }
}

void read_q5_1(Block block, Weights out) {
  const float scale = half_at(block, 0);
  const float offset = half_at(block, 2);
  for (std::size_t i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(low(block[8 + i]) | fifth_bit(block, 4, i)) * scale + offset;
    out[i + 16] =
        static_cast<float>(high(block[8 + i]) | fifth_bit(block, 4, i + 16)) * scale + offset;
  }
}

void read_q8_0(Block block, Weights out) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < 32; ++i) {
    out[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i])) * scale;
  }
}

// What the 16 values of IQ4_NL and IQ4_XS stand for.
constexpr std::array<float, 16> kUnevenSteps = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                1,    13,   25,  38,  53,  69,  89,  113};

void read_iq4_nl(Block block, Weights out) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < 16; ++i) {
    out[i] = scale * kUnevenSteps[block[2 + i] & 15];
    out[i + 16] = scale * kUnevenSteps[block[2 + i] >> 4];
  }
}

// Twice the values of E2M1 (sign, two bits of exponent, one of mantissa).
constexpr std::array<float, 16> kTwiceE2M1 = {0, 1,  2,  3,  4,  6,  8,  12,
                                              0, -1, -2, -3, -4, -6, -8, -12};

// Half of 2^(exponent - 127), for the doubled values above. The format's exponent of no number
// (255) is read as 2^127, as ggml reads it.
float half_of_power(std::uint8_t exponent) {
  if (exponent >= 2) return std::bit_cast<float>((exponent - 1u) << 23);
  // Below the smallest normal number, 2^-126.
  return exponent == 1 ? 0x1p-127f : 0x1p-128f;
}

void read_mxfp4(Block block, Weights out) {
  const float scale = half_of_power(block[0]);
  for (std::size_t i = 0; i < 16; ++i) {
    out[i] = kTwiceE2M1[block[1 + i] & 15] * scale;
    out[i + 16] = kTwiceE2M1[block[1 + i] >> 4] * scale;
  }
}

// --- blocks of 256 weights, in groups with small scales of their own
// --------------------------------

// 16 scales and offsets of four bits, 256 weights of two: byte i of a half holds those at i, i +
// 32, i + 64 and i + 96, lowest bits first.
void read_q2_k(Block block, Weights out) {
  const float scale = half_at(block, 80);
  const float offset = half_at(block, 82);
  for (std::size_t group = 0; group < 16; ++group) {
    const float group_scale = scale * static_cast<float>(low(block[group]));
    const float group_offset = offset * static_cast<float>(high(block[group]));
    const std::size_t first = 16 + (group / 8) * 32 + (group % 2) * 16;
    const std::size_t shift = (group % 8) / 2 * 2;
    for (std::size_t i = 0; i < 16; ++i) {
      const int weight = (block[first + i] >> shift) & 3;
      out[group * 16 + i] = group_scale * static_cast<float>(weight) - group_offset;
    }
  }
}

// Third bits (a set one means "do not subtract 4"), then weights of two bits as in Q2_K, then 16
// scales of six bits: the low four in eight bytes, the high two in four.
void read_q3_k(Block block, Weights out) {
  const float scale = half_at(block, 108);
  for (std::size_t group = 0; group < 16; ++group) {
    const std::uint8_t packed = block[96 + group % 8];
    const int low_bits = group < 8 ? low(packed) : high(packed);
    const int high_bits = (block[104 + group % 4] >> (group / 4 * 2)) & 3;
    const float group_scale = scale * static_cast<float>((low_bits | high_bits << 4) - 32);
    const std::size_t first = (group % 2) * 16;
    const std::size_t shift = (group % 8) / 2 * 2;
    const std::size_t bit = group / 2;
    for (std::size_t i = 0; i < 16; ++i) {
      const int low_part = (block[32 + (group / 8) * 32 + first + i] >> shift) & 3;
      const int high_part = (block[first + i] >> bit) & 1;
      out[group * 16 + i] = group_scale * static_cast<float>(low_part - 4 + high_part * 4);
    }
  }
}

// Scale and offset of one of the eight groups of Q4_K and Q5_K, six bits each in twelve bytes:
// whole ones for the first four groups, whose top two bits are those of the last four.
struct ScaleAndOffset {
  float scale;
  float offset;
};

ScaleAndOffset group_scale_at(Block block, std::size_t group) {
  const float scale = half_at(block, 0);
  const float offset = half_at(block, 2);
  int group_scale = 0;
  int group_offset = 0;
  if (group < 4) {
    group_scale = block[4 + group] & 63;
    group_offset = block[8 + group] & 63;
  } else {
    group_scale = low(block[8 + group]) | (block[group] >> 6) << 4;
    group_offset = high(block[8 + group]) | (block[4 + group] >> 6) << 4;
  }
  return {scale * static_cast<float>(group_scale), offset * static_cast<float>(group_offset)};
}

// Groups of 32 in pairs: 32 bytes hold one in their low halves and the next in their high ones.
void read_q4_k(Block block, Weights out) {
  for (std::size_t pair = 0; pair < 4; ++pair) {
    const auto first = group_scale_at(block, pair * 2);
    const auto second = group_scale_at(block, pair * 2 + 1);
    const std::size_t at = 16 + pair * 32;
    float* weights = out + pair * 64;
    for (std::size_t i = 0; i < 32; ++i) {
      weights[i] = first.scale * static_cast<float>(low(block[at + i])) - first.offset;
      weights[i + 32] = second.scale * static_cast<float>(high(block[at + i])) - second.offset;
    }
  }
}

// As Q4_K, with the fifth bit of group g in bit g of 32 bytes.
void read_q5_k(Block block, Weights out) {
  for (std::size_t pair = 0; pair < 4; ++pair) {
    const auto first = group_scale_at(block, pair * 2);
    const auto second = group_scale_at(block, pair * 2 + 1);
    const std::size_t at = 48 + pair * 32;
    float* weights = out + pair * 64;
    for (std::size_t i = 0; i < 32; ++i) {
      const int fifth_bits = block[16 + i] >> (pair * 2);
      const int even = low(block[at + i]) | (fifth_bits & 1) << 4;
      const int odd = high(block[at + i]) | ((fifth_bits >> 1) & 1) << 4;
      weights[i] = first.scale * static_cast<float>(even) - first.offset;
      weights[i + 32] = second.scale * static_cast<float>(odd) - second.offset;
    }
  }
}

// Halves of 128 weights in four rows of 32. The low four bits of rows 0 and 2, and of 1 and 3,
// share bytes; byte i of the high bits holds two of each row. 16 signed scales.
void read_q6_k(Block block, Weights out) {
  const float scale = half_at(block, 208);
  for (std::size_t group = 0; group < 16; ++group) {
    const std::size_t half = group / 8;
    const std::size_t row = group % 8 / 2;
    const std::size_t in_row = group % 2 * 16;
    const std::size_t low_at = half * 64 + row % 2 * 32 + in_row;
    const std::size_t low_shift = row / 2 * 4;
    const std::size_t high_at = 128 + half * 32 + in_row;
    const std::size_t high_shift = row * 2;
    const float group_scale =
        scale * static_cast<float>(static_cast<std::int8_t>(block[192 + group]));
    for (std::size_t i = 0; i < 16; ++i) {
      const int low_bits = (block[low_at + i] >> low_shift) & 15;
      const int high_bits = (block[high_at + i] >> high_shift) & 3;
      out[group * 16 + i] = group_scale * static_cast<float>((low_bits | high_bits << 4) - 32);
    }
  }
}

// Eight groups of 32 with scales of six bits: the low four in halves of bytes, the high two in 16
// bits.
void read_iq4_xs(Block block, Weights out) {
  const float scale = half_at(block, 0);
  const int high_scales = u16_at(block, 2);
  for (std::size_t group = 0; group < 8; ++group) {
    const int low_bits = (block[4 + group / 2] >> (group % 2 * 4)) & 15;
    const int high_bits = (high_scales >> (group * 2)) & 3;
    const float group_scale = scale * static_cast<float>((low_bits | high_bits << 4) - 32);
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint8_t two = block[8 + group * 16 + i];
      out[group * 32 + i] = group_scale * kUnevenSteps[two & 15];
      out[group * 32 + 16 + i] = group_scale * kUnevenSteps[two >> 4];
    }
  }
}

// --- ternary: weights of -1, 0 and 1
// ------------------------------------------------------------------

// A byte is a fraction of 256 in base 3, and its leading digit is the first weight of five (four in
// the last bytes). Multiplying by a power of 3, and dropping what overflows, brings a later digit
// forward.
int ternary_digit(std::uint8_t byte, unsigned power) {
  const auto shifted = static_cast<std::uint8_t>(byte * power);
  return (shifted * 3) >> 8;
}

// `count` bytes give `digits` rows of `count` weights.
float* read_ternary(Block block, std::size_t at, std::size_t count, unsigned digits, float scale,
                    float* out) {
  for (unsigned digit = 0, power = 1; digit < digits; ++digit, power *= 3) {
    for (std::size_t i = 0; i < count; ++i) {
      *out++ = static_cast<float>(ternary_digit(block[at + i], power) - 1) * scale;
    }
  }
  return out;
}

void read_tq1_0(Block block, Weights out) {
  const float scale = half_at(block, 52);
  out = read_ternary(block, 0, 32, 5, scale, out);
  out = read_ternary(block, 32, 16, 5, scale, out);
  read_ternary(block, 48, 4, 4, scale, out);
}

void read_tq2_0(Block block, Weights out) {
  const float scale = half_at(block, 64);
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t row = 0; row < 4; ++row) {
      for (std::size_t i = 0; i < 32; ++i) {
        const int weight = (block[half * 32 + i] >> (row * 2)) & 3;
        out[half * 128 + row * 32 + i] = static_cast<float>(weight - 1) * scale;
      }
    }
  }
}

// --- the table
// ----------------------------------------------------------------------------------------

template <std::size_t Elements, std::size_t Bytes, void (*Read)(Block, Weights)>
void read_blocks(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    Read(reinterpret_cast<const std::uint8_t*>(blocks + i * Bytes), out + i * Elements);
  }
}

struct Format {
  std::uint32_t type;
  std::size_t elements;
  std::size_t bytes;
  void (*read)(const std::byte* blocks, std::size_t count, float* out);
};

template <std::size_t Elements, std::size_t Bytes, void (*Read)(Block, Weights)>
constexpr Format format(std::uint32_t type) {
  return {type, Elements, Bytes, read_blocks<Elements, Bytes, Read>};
}

constexpr std::array kFormats = {
    format<1, 4, read_f32>(0),       format<1, 2, read_f16>(1),
    format<32, 18, read_q4_0>(2),    format<32, 20, read_q4_1>(3),
    format<32, 22, read_q5_0>(6),    format<32, 24, read_q5_1>(7),
    format<32, 34, read_q8_0>(8),    format<256, 84, read_q2_k>(10),
    format<256, 110, read_q3_k>(11), format<256, 144, read_q4_k>(12),
    format<256, 176, read_q5_k>(13), format<256, 210, read_q6_k>(14),
    format<32, 18, read_iq4_nl>(20), format<256, 136, read_iq4_xs>(23),
    format<1, 2, read_bf16>(30),     format<256, 54, read_tq1_0>(34),
    format<256, 66, read_tq2_0>(35), format<32, 17, read_mxfp4>(39),
};

const Format* find_format(std::uint32_t type) noexcept {
  const auto* found = std::find_if(kFormats.begin(), kFormats.end(),
                                   [type](const Format& format) { return format.type == type; });
  return found == kFormats.end() ? nullptr : found;
}

}  // namespace

bool can_dequantize(std::uint32_t type) noexcept { return find_format(type) != nullptr; }

std::size_t block_elements(std::uint32_t type) noexcept {
  const Format* format = find_format(type);
  return format == nullptr ? 0 : format->elements;
}

std::size_t block_bytes(std::uint32_t type) noexcept {
  const Format* format = find_format(type);
  return format == nullptr ? 0 : format->bytes;
}

void dequantize(std::uint32_t type, const std::byte* blocks, std::size_t elements, float* out) {
  const Format* format = find_format(type);
  if (format == nullptr) {
    throw Error(code::kModelUnsupported,
                "Weights in the number format " + std::to_string(type) +
                    " cannot be converted. Use a conversion of the model to F16, Q8_0 or Q4_K.",
                {{"type", static_cast<double>(type)}});
  }
  format->read(blocks, elements / format->elements, out);
}

}  // namespace mobillm::gguf
