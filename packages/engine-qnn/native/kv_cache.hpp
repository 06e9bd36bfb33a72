// A sequence's keys and values in ordinary memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace mobillm::qnn {

// Half-precision rows of one head and token each: for each layer keys and values, each
// [kv heads][capacity][head length]. Graphs take them in layouts of their own; this is the form
// that all of them, and other engines, are served from.
class KvCache {
 public:
  KvCache(std::uint32_t layers, std::uint32_t kv_heads, std::uint32_t head_length,
          std::uint32_t capacity)
      : layers_(layers),
        kv_heads_(kv_heads),
        head_length_(head_length),
        capacity_(capacity),
        // Not filled: the system gives its pages when they are written to.
        data_(std::make_unique_for_overwrite<std::uint16_t[]>(bytes() / sizeof(std::uint16_t))) {}

  std::uint32_t layers() const { return static_cast<std::uint32_t>(layers_); }
  std::uint32_t kv_heads() const { return static_cast<std::uint32_t>(kv_heads_); }
  std::uint32_t head_length() const { return static_cast<std::uint32_t>(head_length_); }
  std::uint32_t capacity() const { return static_cast<std::uint32_t>(capacity_); }
  std::size_t bytes() const { return 2 * layers_ * tensor() * sizeof(std::uint16_t); }

  // The row of a token; those of the next tokens follow it.
  std::uint16_t* key(std::uint32_t layer, std::uint32_t head, std::uint32_t token) {
    return data_.get() + 2 * layer * tensor() + row(head, token);
  }
  std::uint16_t* value(std::uint32_t layer, std::uint32_t head, std::uint32_t token) {
    return data_.get() + (2 * layer + 1) * tensor() + row(head, token);
  }

  // Takes the first tokens of a cache of the same shape.
  void copy_from(const KvCache& other, std::uint32_t tokens) {
    for (std::size_t part = 0; part < 2 * layers_; ++part) {
      for (std::size_t head = 0; head < kv_heads_; ++head) {
        const std::size_t at = part * tensor() + row(head, 0);
        std::copy_n(other.data_.get() + at, tokens * head_length_, data_.get() + at);
      }
    }
  }

 private:
  std::size_t tensor() const { return kv_heads_ * capacity_ * head_length_; }
  std::size_t row(std::size_t head, std::size_t token) const {
    return (head * capacity_ + token) * head_length_;
  }

  std::size_t layers_;
  std::size_t kv_heads_;
  std::size_t head_length_;
  std::size_t capacity_;
  std::unique_ptr<std::uint16_t[]> data_;
};

}  // namespace mobillm::qnn
