#include "llama_graph.hpp"

#include <cmath>
#include <string>
#include <utility>

#include "mobillm/float16.hpp"

namespace mobillm::qnn {

namespace {

using enum abi::DataType;

// A word for a weight's tensor in the graph.
const char* role_name(WeightRole role) {
  switch (role) {
    case WeightRole::kTokenEmbedding:
      return "token_embedding";
    case WeightRole::kOutputNorm:
      return "output_norm";
    case WeightRole::kOutput:
      return "output";
    case WeightRole::kAttentionNorm:
      return "attention_norm";
    case WeightRole::kQuery:
      return "query";
    case WeightRole::kKey:
      return "key";
    case WeightRole::kValue:
      return "value";
    case WeightRole::kAttentionOutput:
      return "attention_output";
    case WeightRole::kFeedForwardNorm:
      return "feed_forward_norm";
    case WeightRole::kGate:
      return "gate";
    case WeightRole::kUp:
      return "up";
    case WeightRole::kDown:
      return "down";
  }
  return "weight";
}

// Adds one graph; lives while it is built.
class LlamaGraph {
 public:
  LlamaGraph(GraphBuilder& builder, const LlamaGraphOptions& options, WeightSource& weights,
             const AbortFlag& abort)
      : builder_(builder),
        shape_(options.shape),
        rms_epsilon_(options.rms_epsilon),
        tokens_(options.tokens),
        context_(options.context_tokens),
        past_(options.context_tokens - options.tokens),
        weights_(weights),
        abort_(abort) {}

  void add(const std::function<void(std::uint32_t)>& on_layer) {
    const Value ids = builder_.input(tensor_name::kTokens, kInt32, {1, tokens_});
    mask_ = builder_.input(tensor_name::kMask, kFloat16, {1, 1, tokens_, context_});
    const Dimensions half{1, 1, tokens_, shape_.head_length / 2};
    cos_ = builder_.input(tensor_name::kCos, kFloat16, half);
    sin_ = builder_.input(tensor_name::kSin, kFloat16, half);
    zeros_ = constant("zeros", std::vector<float>(shape_.embedding_length, 0.0f));
    scale_ =
        constant("attention_scale", {1.0f / std::sqrt(static_cast<float>(shape_.head_length))});
    const Value table = weight(WeightRole::kTokenEmbedding, 0);
    Value hidden = builder_.between(kFloat16, {1, tokens_, shape_.embedding_length});
    builder_.node("Gather", {table, ids}, {hidden}, {int_parameter("axis", 0)});
    hidden = reshape(hidden, {tokens_, shape_.embedding_length});
    for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
      hidden = add_values(hidden,
                          attention(normalize(hidden, WeightRole::kAttentionNorm, layer), layer));
      hidden = add_values(
          hidden, feed_forward(normalize(hidden, WeightRole::kFeedForwardNorm, layer), layer));
      on_layer(layer + 1);
    }
    hidden = normalize(hidden, WeightRole::kOutputNorm, 0);
    const Value head = weights_.has_output() ? weight(WeightRole::kOutput, 0) : table;
    const Value logits = fully_connected(hidden, head);
    builder_.node(
        "Reshape", {logits},
        {builder_.output(tensor_name::kLogits, kFloat16, {1, 1, tokens_, shape_.vocabulary_size})});
  }

 private:
  // --- Weights and small operations
  // ---------------------------------------------------------------

  Value weight(WeightRole role, std::uint32_t layer) {
    const Dimensions dimensions = weight_dimensions(shape_, role);
    std::size_t elements = 1;
    for (const std::uint32_t length : dimensions) elements *= length;
    // The library copies it, so that no more than one weight is in memory twice.
    std::vector<std::uint16_t> data(elements);
    weights_.read(role, layer, data, abort_);
    return builder_.constant(weight_name(role, layer), kFloat16, dimensions,
                             std::as_bytes(std::span<const std::uint16_t>(data)));
  }

  Value constant(const std::string& name, const std::vector<float>& values) {
    std::vector<std::uint16_t> halves;
    for (const float value : values) halves.push_back(f32_to_f16(value));
    return builder_.constant(name, kFloat16, {static_cast<std::uint32_t>(values.size())},
                             std::as_bytes(std::span<const std::uint16_t>(halves)));
  }

  Value reshape(Value value, Dimensions dimensions) {
    const Value result = builder_.between(kFloat16, std::move(dimensions));
    builder_.node("Reshape", {value}, {result});
    return result;
  }

  Value transpose(Value value, std::vector<std::uint32_t> order) {
    Dimensions dimensions;
    for (const std::uint32_t axis : order) dimensions.push_back(value->dimensions.at(axis));
    const Value result = builder_.between(kFloat16, std::move(dimensions));
    builder_.node("Transpose", {value}, {result}, {uints_parameter("perm", std::move(order))});
    return result;
  }

  // An operation on two tensors whose result has the shape of the first.
  Value combine(const char* operation, Value first, Value second) {
    const Value result = builder_.between(kFloat16, first->dimensions);
    builder_.node(operation, {first, second}, {result});
    return result;
  }
  Value add_values(Value first, Value second) { return combine("ElementWiseAdd", first, second); }
  Value multiply(Value first, Value second) {
    return combine("ElementWiseMultiply", first, second);
  }

  Value concatenate(Value first, Value second, std::uint32_t axis) {
    Dimensions dimensions = first->dimensions;
    dimensions.at(axis) += second->dimensions.at(axis);
    const Value result = builder_.between(kFloat16, std::move(dimensions));
    builder_.node("Concat", {first, second}, {result}, {uint_parameter("axis", axis)});
    return result;
  }

  // [1, n, T, head] → its values from `begin` on, half a head of them.
  Value half_of_heads(Value value, std::uint32_t begin) {
    Dimensions dimensions = value->dimensions;
    std::vector<std::int32_t> ranges;
    for (const std::uint32_t length : dimensions) {
      ranges.insert(ranges.end(), {0, static_cast<std::int32_t>(length), 1});
    }
    const std::uint32_t half = shape_.head_length / 2;
    ranges[9] = static_cast<std::int32_t>(begin);
    ranges[10] = static_cast<std::int32_t>(begin + half);
    dimensions[3] = half;
    const Value result = builder_.between(kFloat16, std::move(dimensions));
    builder_.node("StridedSlice", {value}, {result}, {ints_parameter("ranges", ranges, {4, 3})});
    return result;
  }

  Value fully_connected(Value value, Value matrix) {
    const Value result =
        builder_.between(kFloat16, {value->dimensions.at(0), matrix->dimensions.at(0)});
    builder_.node("FullyConnected", {value, matrix}, {result},
                  {bool_parameter("keep_dims", false)});
    return result;
  }

  Value project(Value value, WeightRole role, std::uint32_t layer) {
    return fully_connected(value, weight(role, layer));
  }

  Value multiply_matrices(Value first, Value second) {
    Dimensions dimensions = first->dimensions;
    dimensions.back() = second->dimensions.back();
    const Value result = builder_.between(kFloat16, std::move(dimensions));
    builder_.node("MatMul", {first, second}, {result});
    return result;
  }

  // --- Parts of the architecture
  // -------------------------------------------------------------------

  Value normalize(Value value, WeightRole role, std::uint32_t layer) {
    const Value result = builder_.between(kFloat16, value->dimensions);
    builder_.node("RmsNorm", {value, weight(role, layer), zeros_}, {result},
                  {float_parameter("epsilon", rms_epsilon_), uints_parameter("axes", {1})});
    return result;
  }

  // [T, n × head] → [1, n, T, head]
  Value split_heads(Value value, std::uint32_t heads) {
    return transpose(reshape(value, {1, tokens_, heads, shape_.head_length}), {0, 2, 1, 3});
  }

  // Rotates value i of each head against value i + head/2.
  Value rotate(Value heads) {
    const Value low = half_of_heads(heads, 0);
    const Value high = half_of_heads(heads, shape_.head_length / 2);
    return concatenate(combine("ElementWiseSubtract", multiply(low, cos_), multiply(high, sin_)),
                       add_values(multiply(high, cos_), multiply(low, sin_)), 3);
  }

  Value attention(Value value, std::uint32_t layer) {
    const std::uint32_t head = shape_.head_length;
    const std::uint32_t kv = shape_.kv_heads;
    const std::uint32_t group = shape_.heads / kv;
    const Value query =
        rotate(split_heads(project(value, WeightRole::kQuery, layer), shape_.heads));
    const Value key = rotate(split_heads(project(value, WeightRole::kKey, layer), kv));

    const Value new_keys =
        builder_.output(tensor_name::past_key_out(layer), kFloat16, {kv, 1, head, tokens_});
    builder_.node("Reshape", {transpose(key, {0, 1, 3, 2})}, {new_keys});
    const Value new_values =
        builder_.output(tensor_name::past_value_out(layer), kFloat16, {kv, 1, tokens_, head});
    builder_.node("Reshape", {split_heads(project(value, WeightRole::kValue, layer), kv)},
                  {new_values});
    const Value keys =
        concatenate(builder_.input(tensor_name::past_key_in(layer), kFloat16, {kv, 1, head, past_}),
                    new_keys, 3);
    const Value values = concatenate(
        builder_.input(tensor_name::past_value_in(layer), kFloat16, {kv, 1, past_, head}),
        new_values, 2);

    // The query heads of one KV head lie behind each other, so they are rows of one product. They
    // are scaled before it, while they are few, which also keeps the scores in range.
    const Value grouped = reshape(multiply(query, scale_), {1, kv, group * tokens_, head});
    const Value scores =
        add_values(reshape(multiply_matrices(grouped, reshape(keys, {1, kv, head, context_})),
                           {1, shape_.heads, tokens_, context_}),
                   mask_);
    const Value shares = builder_.between(kFloat16, scores->dimensions);
    builder_.node("Softmax", {scores}, {shares},
                  {uint_parameter("axis", 3), float_parameter("beta", 1.0f)});
    const Value mixed = multiply_matrices(reshape(shares, {1, kv, group * tokens_, context_}),
                                          reshape(values, {1, kv, context_, head}));
    const Value joined =
        reshape(transpose(reshape(mixed, {1, shape_.heads, tokens_, head}), {0, 2, 1, 3}),
                {tokens_, shape_.heads * head});
    return project(joined, WeightRole::kAttentionOutput, layer);
  }

  Value feed_forward(Value value, std::uint32_t layer) {
    const Value gate = project(value, WeightRole::kGate, layer);
    const Value sigmoid = builder_.between(kFloat16, gate->dimensions);
    builder_.node("Sigmoid", {gate}, {sigmoid});
    const Value up = project(value, WeightRole::kUp, layer);
    return project(multiply(multiply(gate, sigmoid), up), WeightRole::kDown, layer);
  }

  GraphBuilder& builder_;
  const LlamaShape& shape_;
  const float rms_epsilon_;
  const std::uint32_t tokens_;
  const std::uint32_t context_;
  const std::uint32_t past_;
  WeightSource& weights_;
  const AbortFlag& abort_;
  Value mask_ = nullptr;
  Value cos_ = nullptr;
  Value sin_ = nullptr;
  Value zeros_ = nullptr;
  Value scale_ = nullptr;
};

}  // namespace

std::string weight_name(WeightRole role, std::uint32_t layer) {
  return std::string(role_name(role)) + '_' + std::to_string(layer);
}

Dimensions weight_dimensions(const LlamaShape& shape, WeightRole role) {
  const std::uint32_t embedding = shape.embedding_length;
  switch (role) {
    case WeightRole::kTokenEmbedding:
    case WeightRole::kOutput:
      return {shape.vocabulary_size, embedding};
    case WeightRole::kOutputNorm:
    case WeightRole::kAttentionNorm:
    case WeightRole::kFeedForwardNorm:
      return {embedding};
    case WeightRole::kQuery:
      return {shape.heads * shape.head_length, embedding};
    case WeightRole::kKey:
    case WeightRole::kValue:
      return {shape.kv_heads * shape.head_length, embedding};
    case WeightRole::kAttentionOutput:
      return {embedding, shape.heads * shape.head_length};
    case WeightRole::kGate:
    case WeightRole::kUp:
      return {shape.feed_forward_length, embedding};
    case WeightRole::kDown:
      return {embedding, shape.feed_forward_length};
  }
  return {};
}

void add_llama_graph(GraphBuilder& builder, const LlamaGraphOptions& options, WeightSource& weights,
                     const AbortFlag& abort, const std::function<void(std::uint32_t)>& on_layer) {
  LlamaGraph(builder, options, weights, abort).add(on_layer);
}

}  // namespace mobillm::qnn
