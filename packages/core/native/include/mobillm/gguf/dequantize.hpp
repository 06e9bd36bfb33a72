// Weights in ggml's block formats to single precision. Types are named by their number in GGUF
// files. Own code, written from the formats and held bit for bit to ggml's; see
// docs/decisions/0004-own-dequantization.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mobillm::gguf {

// Whether the format can be read: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K,
// IQ4_NL, IQ4_XS, TQ1_0, TQ2_0 and MXFP4. Not the formats that look their weights up in a grid.
bool can_dequantize(std::uint32_t type) noexcept;

// Weights in one block, and its bytes; 0 for a format that cannot be read.
std::size_t block_elements(std::uint32_t type) noexcept;
std::size_t block_bytes(std::uint32_t type) noexcept;

// Writes `elements` weights to `out`. `elements` is a multiple of `block_elements(type)`, and
// `blocks` holds as many blocks as that takes. Needs no alignment of `blocks`. What is no number in
// a block's scale is none in its weights.
//
// Throws MODEL_UNSUPPORTED for a format that cannot be read.
void dequantize(std::uint32_t type, const std::byte* blocks, std::size_t elements, float* out);

}  // namespace mobillm::gguf
