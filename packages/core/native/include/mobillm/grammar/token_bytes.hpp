// What the tokens of a vocabulary stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mobillm/token.hpp"

namespace mobillm {

// The bytes of each token in the middle of a text; none for special tokens, which are no text.
class TokenBytes {
 public:
  // The next token's.
  void add(std::span<const std::uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    ends_.push_back(bytes_.size());
  }

  std::int32_t size() const { return static_cast<std::int32_t>(ends_.size()); }

  // None for a token that the vocabulary lacks: a model may have more rows than there are tokens.
  std::span<const std::uint8_t> of(Token token) const {
    if (token < 0 || token >= size()) return {};
    const auto index = static_cast<std::size_t>(token);
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::span(bytes_).subspan(begin, ends_[index] - begin);
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<std::size_t> ends_;
};

}  // namespace mobillm
