// A small Llama with made-up weights, and its forward pass in plain single precision.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "llama_graph.hpp"
#include "mobillm/token.hpp"

namespace mobillm::qnn::test {

inline constexpr float kEpsilon = 1e-5f;
inline constexpr double kRopeBase = 10000;

// Heads × head length differs from the embedding, and two query heads share a KV head.
inline LlamaShape tiny_shape() {
  LlamaShape shape;
  shape.layers = 2;
  shape.embedding_length = 48;
  shape.feed_forward_length = 96;
  shape.heads = 4;
  shape.kv_heads = 2;
  shape.head_length = 16;
  shape.vocabulary_size = 300;
  return shape;
}

// Weights from a fixed sequence of pseudo-random numbers, rounded to half precision.
class TinyWeights final : public WeightSource {
 public:
  explicit TinyWeights(const LlamaShape& shape, bool tied = true) : shape_(shape), tied_(tied) {}

  bool has_output() const override { return !tied_; }
  void read(WeightRole role, std::uint32_t layer, std::span<std::uint16_t> out,
            const AbortFlag& abort) override;

  // The same, as they are computed with.
  const std::vector<float>& floats(WeightRole role, std::uint32_t layer);

 private:
  LlamaShape shape_;
  bool tied_;
  std::map<std::pair<WeightRole, std::uint32_t>, std::vector<float>> floats_;
};

// Logits after each token, one row of the vocabulary a token.
std::vector<std::vector<float>> reference_logits(const LlamaShape& shape, TinyWeights& weights,
                                                 const std::vector<Token>& tokens);

// Tokens from a fixed sequence of pseudo-random numbers.
std::vector<Token> some_tokens(std::size_t count, std::uint32_t seed, std::uint32_t vocabulary);

}  // namespace mobillm::qnn::test
