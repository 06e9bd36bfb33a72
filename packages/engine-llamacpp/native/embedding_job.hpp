// Texts that vectors or scores are computed of, step by step. Plain data of the model's thread, but
// for the flag.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "lora_adapter.hpp"
#include "mobillm/abort_flag.hpp"
#include "mobillm/token.hpp"

namespace mobillm::llamacpp {

// How the vectors of a text's tokens become one; `kRank`: a score by the model's own head.
enum class Pooling { kMean, kCls, kLast, kRank };

class EmbeddingJob {
 public:
  // `lengths` are those of the texts, whose tokens stand one after another; none is 0.
  EmbeddingJob(std::vector<Token> tokens, const std::vector<std::int32_t>& lengths, Pooling pooling)
      : pooling_(pooling), tokens_(std::move(tokens)) {
    begins_.reserve(lengths.size() + 1);
    std::size_t begin = 0;
    for (const std::int32_t length : lengths) {
      begins_.push_back(begin);
      begin += static_cast<std::size_t>(length);
      longest_ = std::max(longest_, static_cast<std::uint32_t>(length));
    }
    begins_.push_back(begin);
  }

  Pooling pooling() const { return pooling_; }
  std::size_t texts() const { return begins_.size() - 1; }
  std::uint32_t longest() const { return longest_; }
  std::span<const Token> text(std::size_t index) const {
    return std::span(tokens_).subspan(begins_[index], begins_[index + 1] - begins_[index]);
  }

  // Set before its first step.
  AdapterSetPtr adapters;

  // The text that comes next, and how many of its tokens have been computed.
  std::size_t next = 0;
  std::size_t next_done = 0;
  // Sums over that text's tokens, for the mean.
  std::vector<double> sums;
  // A row a text.
  std::vector<float> rows;
  AbortFlag abort;

  bool done() const { return next == texts(); }
  std::size_t computed_tokens() const { return begins_[next] + next_done; }

 private:
  Pooling pooling_;
  std::vector<Token> tokens_;
  std::vector<std::size_t> begins_;  // and the end of the last text
  std::uint32_t longest_ = 0;
};

}  // namespace mobillm::llamacpp
