// The Llama architecture as a QNN graph in half precision.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "graph_builder.hpp"
#include "llama_shape.hpp"

namespace mobillm::qnn {

// A model's weights by what they are for.
enum class WeightRole {
  kTokenEmbedding,   // [vocabulary, embedding]
  kOutputNorm,       // [embedding]
  kOutput,           // [vocabulary, embedding]
  kAttentionNorm,    // [embedding]
  kQuery,            // [heads × head, embedding]
  kKey,              // [kv heads × head, embedding]
  kValue,            // [kv heads × head, embedding]
  kAttentionOutput,  // [embedding, heads × head]
  kFeedForwardNorm,  // [embedding]
  kGate,             // [feed forward, embedding]
  kUp,               // [feed forward, embedding]
  kDown,             // [embedding, feed forward]
};

// Dimensions of a weight, rows first.
Dimensions weight_dimensions(const LlamaShape& shape, WeightRole role);

// A word for a weight, for names and sentences: `query_3`.
std::string weight_name(WeightRole role, std::uint32_t layer);

// Where weights come from.
class WeightSource {
 public:
  WeightSource() = default;
  WeightSource(const WeightSource&) = delete;
  WeightSource& operator=(const WeightSource&) = delete;
  virtual ~WeightSource() = default;

  // Whether the output has a matrix of its own; else the embedding serves.
  virtual bool has_output() const = 0;
  // Fills `out` with a weight in half precision, row by row. Heads of Q and K are in halves: value
  // i is rotated with value i + head/2. `layer` counts from 0 and is 0 for what is in no layer.
  // Polls `abort` and throws ABORTED.
  virtual void read(WeightRole role, std::uint32_t layer, std::span<std::uint16_t> out,
                    const AbortFlag& abort) = 0;
};

struct LlamaGraphOptions {
  LlamaShape shape;
  float rms_epsilon = 0;
  std::uint32_t tokens = 0;          // of a call
  std::uint32_t context_tokens = 0;  // of past and new tokens together
};

// Adds the whole architecture. With T tokens a call, P = context − T past ones:
//   in: input_ids i32 [1,T]; attention_mask [1,1,T,P+T], added to the scores; position_ids_cos and
//       _sin [1,1,T,head/2]; past_key_L_in [kv heads,1,head,P]; past_value_L_in [kv heads,1,P,head]
//   out: logits [1,1,T,vocabulary]; past_key_L_out [kv heads,1,head,T]; past_value_L_out
//       [kv heads,1,T,head], of the new tokens alone
// All but the tokens are f16. `on_layer` is told how many layers are added.
void add_llama_graph(GraphBuilder& builder, const LlamaGraphOptions& options, WeightSource& weights,
                     const AbortFlag& abort, const std::function<void(std::uint32_t)>& on_layer);

}  // namespace mobillm::qnn
