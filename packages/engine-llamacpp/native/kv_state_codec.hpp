// llama.cpp's own form of a sequence's cache, as `llama_state_seq_get_data` writes it: between that
// and core's engine-neutral layout. For the pinned version alone, whose form is no stable
// interface: every field of a block is compared with what is expected, and a block that differs is
// refused.
//
// A block, little-endian, without gaps:
//   u32 magic, i32 sequence, u32 streams (1), u32 cells,
//   a cell: i32 position, u32 sequences (1), i32 sequence,
//   u32 whether values are transposed, u32 layers,
//   a layer: i32 type of the keys, u64 bytes of a row, a row a cell: all heads after each other,
//   a layer: the same for the values; or, transposed: i32 type, u32 bytes of a value, u32 values in
//   a row, and for each value of a row that of all cells.
// Written by `llama_context::state_seq_write_data` and `llama_kv_cache::state_write` of llama.cpp.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "mobillm/kv_layout.hpp"

namespace mobillm::llamacpp {

// What all blocks of a context have in common.
struct KvStateFormat {
  KvShape shape;  // its dtype holds both types below without loss
  ggml_type key_type = GGML_TYPE_F16;
  ggml_type value_type = GGML_TYPE_F16;
  bool transposed_values = false;  // without flash attention
};

// Which part of which sequence a block holds.
struct KvStatePart {
  std::int32_t sequence = 0;
  std::int32_t first_position = 0;
  std::size_t tokens = 0;
};

class KvStateCodec {
 public:
  explicit KvStateCodec(const KvStateFormat& format) : format_(format) {}

  const KvStateFormat& format() const { return format_; }

  // Bytes of a block of so many tokens; there is at least one.
  std::size_t block_bytes(std::size_t tokens) const;

  // Reads a block into the tokens from `offset` on of `out`. Throws UNSUPPORTED, naming the first
  // field that is not as expected, before anything is written.
  void decode(std::span<const std::byte> block, const KvStatePart& part, KvSpan out,
              std::size_t offset) const;

  // Writes the tokens from `offset` on of `in` as a block of `block_bytes(part.tokens)`.
  void encode(const KvView& in, std::size_t offset, const KvStatePart& part,
              std::span<std::byte> block) const;

 private:
  KvStateFormat format_;
};

}  // namespace mobillm::llamacpp
