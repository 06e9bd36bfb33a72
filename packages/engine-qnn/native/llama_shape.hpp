// The numbers of a Llama architecture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mobillm::qnn {

struct LlamaShape {
  std::uint32_t layers = 0;
  std::uint32_t embedding_length = 0;
  std::uint32_t feed_forward_length = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;     // divides `heads`
  std::uint32_t head_length = 0;  // even
  std::uint32_t vocabulary_size = 0;
};

// Throws InvalidArgument, naming the key, for numbers that contradict each other or are beyond what
// any model has.
void check_shape(const LlamaShape& shape);

// Throws InvalidArgument for a cache of that many tokens, within `check_graphs`, that no device has
// room for. The shape was checked before.
void check_cache(const LlamaShape& shape, std::uint32_t context_tokens);

// A graph: so many tokens a call.
struct GraphPlan {
  std::string name;
  std::uint32_t tokens = 0;
};

// Throws InvalidArgument unless names differ and are not empty, each graph has fewer tokens than
// the context, and one has a single token.
void check_graphs(const std::vector<GraphPlan>& graphs, std::uint32_t context_tokens);

// Names of the graphs' tensors, which are those that Genie expects.
namespace tensor_name {
inline constexpr const char* kTokens = "input_ids";
inline constexpr const char* kMask = "attention_mask";
inline constexpr const char* kCos = "position_ids_cos";
inline constexpr const char* kSin = "position_ids_sin";
inline constexpr const char* kLogits = "logits";
std::string past_key_in(std::uint32_t layer);
std::string past_key_out(std::uint32_t layer);
std::string past_value_in(std::uint32_t layer);
std::string past_value_out(std::uint32_t layer);
}  // namespace tensor_name

}  // namespace mobillm::qnn
