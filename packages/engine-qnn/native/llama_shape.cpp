#include "llama_shape.hpp"

#include <set>

#include "mobillm/error.hpp"

namespace mobillm::qnn {

namespace {

// Keep the width of all heads together within 32 bits, and every product that is made of the
// numbers within 64.
constexpr std::uint32_t kMostLength = 1 << 20;
constexpr std::uint32_t kMostLayers = 512;
constexpr std::uint32_t kMostTokens = 1 << 20;
constexpr std::uint32_t kMostVocabulary = 1 << 24;
constexpr std::size_t kMostGraphs = 16;
constexpr std::size_t kMostName = 256;
// Of one sequence's cache: a tebibyte, which is beyond any device.
constexpr std::uint64_t kMostCacheBytes = std::uint64_t{1} << 40;

void check_range(std::uint32_t value, std::uint32_t most, const char* key) {
  if (value >= 1 && value <= most) return;
  throw InvalidArgument(
      InvalidArgument::Kind::kRange, key,
      "must be from 1 to " + std::to_string(most) + ", but it is " + std::to_string(value));
}

[[noreturn]] void refuse(const char* key, const std::string& sentence) {
  throw InvalidArgument(InvalidArgument::Kind::kRange, key, sentence);
}

std::string cache_name(const char* what, std::uint32_t layer, const char* direction) {
  return std::string("past_") + what + '_' + std::to_string(layer) + '_' + direction;
}

}  // namespace

void check_shape(const LlamaShape& shape) {
  check_range(shape.layers, kMostLayers, "shape.layers");
  check_range(shape.embedding_length, kMostLength, "shape.embeddingLength");
  check_range(shape.feed_forward_length, kMostLength, "shape.feedForwardLength");
  check_range(shape.heads, kMostLength, "shape.heads");
  check_range(shape.kv_heads, shape.heads, "shape.kvHeads");
  check_range(shape.head_length, kMostLength, "shape.headLength");
  check_range(shape.vocabulary_size, kMostVocabulary, "shape.vocabularySize");
  if (shape.heads % shape.kv_heads != 0) refuse("shape.kvHeads", "must divide the heads");
  if (shape.head_length % 2 != 0) refuse("shape.headLength", "must be even");
  if (std::uint64_t{shape.heads} * shape.head_length > kMostLength) {
    refuse("shape.headLength", "times the heads must be at most " + std::to_string(kMostLength));
  }
}

void check_cache(const LlamaShape& shape, std::uint32_t context_tokens) {
  // Keys and values, of two bytes each: at most 2 × 2 × 2^9 × 2^20 × 2^20.
  const std::uint64_t bytes =
      std::uint64_t{4} * shape.layers * shape.kv_heads * shape.head_length * context_tokens;
  if (bytes > kMostCacheBytes) {
    refuse("contextTokens", "asks for a cache of more than a tebibyte");
  }
}

void check_graphs(const std::vector<GraphPlan>& graphs, std::uint32_t context_tokens) {
  check_range(context_tokens, kMostTokens, "contextTokens");
  if (graphs.empty() || graphs.size() > kMostGraphs) refuse("graphs", "must be from 1 to 16");
  std::set<std::string> names;
  bool single = false;
  for (const GraphPlan& graph : graphs) {
    if (graph.name.empty() || graph.name.size() > kMostName || !names.insert(graph.name).second) {
      refuse("graphs.name", "must be a name of its own, of at most 256 bytes");
    }
    if (graph.tokens < 1 || graph.tokens >= context_tokens) {
      refuse("graphs.tokens", "must be at least 1 and less than the context's tokens");
    }
    single = single || graph.tokens == 1;
  }
  if (!single) refuse("graphs", "must hold one of a single token, which decodes");
}

namespace tensor_name {

std::string past_key_in(std::uint32_t layer) { return cache_name("key", layer, "in"); }
std::string past_key_out(std::uint32_t layer) { return cache_name("key", layer, "out"); }
std::string past_value_in(std::uint32_t layer) { return cache_name("value", layer, "in"); }
std::string past_value_out(std::uint32_t layer) { return cache_name("value", layer, "out"); }

}  // namespace tensor_name

}  // namespace mobillm::qnn
