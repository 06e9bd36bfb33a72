// Keys and values in the engine-neutral layout of core's `KvSnapshot`: how they lie in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mobillm {

// Number format of all tensors, little-endian.
enum class KvDtype { kF16, kBf16, kF32 };

constexpr std::size_t kv_element_bytes(KvDtype dtype) noexcept {
  return dtype == KvDtype::kF32 ? 4 : 2;
}

// Which values of a head are rotated against each other. kNeox: value i and value
// i + rotated_length/2. kInterleaved: values 2i and 2i + 1.
enum class KvPairing { kNeox, kInterleaved };

struct KvRope {
  KvPairing pairing = KvPairing::kNeox;
  double base = 10000;
  double scale = 1;                 // 1: none
  std::int32_t rotated_length = 0;  // leading values of a key head that are rotated; even
};

// An engine's own keys and values. Constant while its model is open.
struct KvShape {
  KvDtype dtype = KvDtype::kF16;
  std::int32_t layers = 0;
  std::int32_t kv_heads = 0;      // of each layer
  std::int32_t key_length = 0;    // values in a key head
  std::int32_t value_length = 0;  // values in a value head
  KvRope rope;

  // Bytes of the keys, or the values, of one layer.
  std::size_t key_bytes(std::size_t tokens) const noexcept {
    return tensor_bytes(key_length, tokens, dtype);
  }
  std::size_t value_bytes(std::size_t tokens) const noexcept {
    return tensor_bytes(value_length, tokens, dtype);
  }
  // Bytes of all layers.
  std::size_t bytes(std::size_t tokens) const noexcept {
    return static_cast<std::size_t>(layers) * (key_bytes(tokens) + value_bytes(tokens));
  }
  // Bytes of one layer's tensor of heads of `length`, in any number format.
  std::size_t tensor_bytes(std::int32_t length, std::size_t tokens, KvDtype format) const noexcept {
    return static_cast<std::size_t>(kv_heads) * tokens * static_cast<std::size_t>(length) *
           kv_element_bytes(format);
  }
};

// Memory to export into, owned by the caller: per layer keys then values, each
// [kv_heads, tokens, length], in the engine's own number format and pairing. `data` has
// `shape.bytes(tokens)` bytes.
struct KvSpan {
  std::span<std::byte> data;
  std::size_t tokens = 0;

  std::byte* keys(const KvShape& shape, std::int32_t layer) const noexcept {
    return data.data() +
           static_cast<std::size_t>(layer) * (shape.key_bytes(tokens) + shape.value_bytes(tokens));
  }
  std::byte* values(const KvShape& shape, std::int32_t layer) const noexcept {
    return keys(shape, layer) + shape.key_bytes(tokens);
  }
};

// One layer of a snapshot: [kv_heads, tokens, key_length] and [kv_heads, tokens, value_length].
// The pointers need no alignment.
struct KvLayerView {
  const std::byte* keys = nullptr;
  const std::byte* values = nullptr;
};

// A snapshot to import, of as many layers, heads and values as the engine's own shape; its number
// format and pairing may differ. Sizes were checked by whoever made the view.
struct KvView {
  KvDtype dtype = KvDtype::kF16;
  KvPairing pairing = KvPairing::kNeox;
  std::vector<KvLayerView> layers;
  std::size_t tokens = 0;
};

// How the values of one head lie: their number format and, for keys, their pairing.
struct KvRowFormat {
  KvDtype dtype = KvDtype::kF16;
  KvPairing pairing = KvPairing::kNeox;
};

// Converts `rows` head vectors of `length` values each, from one number format (rounding to nearest
// even) and pairing to another. Strides are the bytes from one row to the next. `rotated_length` is
// how many leading values the pairing is about: 0 for values, which are not rotated. The memory
// must not overlap. Throws KV_MISMATCH where a finite number would become an infinite one; what was
// written until then is of no use.
void convert_kv_rows(const std::byte* in, std::size_t in_stride, KvRowFormat in_format,
                     std::byte* out, std::size_t out_stride, KvRowFormat out_format,
                     std::size_t rows, std::int32_t length, std::int32_t rotated_length);

}  // namespace mobillm
