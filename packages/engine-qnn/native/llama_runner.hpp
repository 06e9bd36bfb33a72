// One graph of a Llama model with its buffers: takes tokens and a cache, and gives logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph.hpp"
#include "kv_cache.hpp"
#include "llama_shape.hpp"
#include "mobillm/token.hpp"
#include "rope_table.hpp"

namespace mobillm::qnn {

// Number of a sequence; never used again.
using SequenceId = std::uint64_t;

// Model's thread alone.
class LlamaRunner {
 public:
  // Throws MODEL_INVALID unless the graph's tensors are exactly those of `add_llama_graph`.
  LlamaRunner(std::unique_ptr<Graph> graph, const LlamaShape& shape, std::uint32_t tokens,
              std::uint32_t context_tokens);

  // Tokens of a call.
  std::uint32_t tokens() const { return tokens_; }
  // Whether it can run after so many tokens.
  bool fits(std::uint32_t past) const { return past <= past_capacity_; }
  // Bytes of all buffers.
  std::size_t buffer_bytes() const { return buffer_.size(); }

  // Computes keys and values of at most `tokens()` new tokens after the first `past` of the cache,
  // and puts them into the cache behind those. Fewer tokens are padded, and the padding masked.
  void run(SequenceId sequence, KvCache& cache, std::uint32_t past, std::span<const Token> tokens,
           const RopeTable& rope);

  // Half-precision logits after the token of that number in the last call.
  std::span<const std::uint16_t> logits(std::uint32_t token) const;

  // A sequence's cache was cut to its first `count` tokens, or changed behind them.
  void forget(SequenceId sequence, std::uint32_t count);

 private:
  struct LayerBuffers {
    std::uint16_t* past_keys = nullptr;    // [kv heads][head][past capacity]
    std::uint16_t* past_values = nullptr;  // [kv heads][past capacity][head]
    std::uint16_t* new_keys = nullptr;     // [kv heads][head][tokens]
    std::uint16_t* new_values = nullptr;   // [kv heads][tokens][head]
  };

  void bind_buffers();
  std::byte* bind(bool input, const std::string& name, std::size_t& at);
  void bring_past(SequenceId sequence, KvCache& cache, std::uint32_t past);
  void clear_past(std::uint32_t from, std::uint32_t to);
  void fill_inputs(std::uint32_t past, std::span<const Token> tokens, const RopeTable& rope);
  void take_new_rows(KvCache& cache, std::uint32_t past, std::uint32_t count);

  std::unique_ptr<Graph> graph_;
  LlamaShape shape_;
  std::uint32_t tokens_;
  std::uint32_t context_tokens_;
  std::uint32_t past_capacity_;

  std::vector<std::byte> buffer_;  // all tensors, one behind the other
  std::int32_t* ids_ = nullptr;
  std::uint16_t* mask_ = nullptr;
  std::uint16_t* cosines_ = nullptr;
  std::uint16_t* sines_ = nullptr;
  std::uint16_t* logits_ = nullptr;
  std::vector<LayerBuffers> layers_;

  // Whose rows the past buffers hold, and how many of them: what is there need not be copied again.
  SequenceId held_sequence_ = 0;
  std::uint32_t held_tokens_ = 0;
  // Rows behind these are zeros.
  std::uint32_t filled_tokens_ = 0;
};

}  // namespace mobillm::qnn
