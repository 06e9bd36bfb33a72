#include "llama_runner.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "codes.hpp"
#include "mobillm/float16.hpp"

namespace mobillm::qnn {

namespace {

// Added to the score of what must not be seen. Far below any score, and within half precision even
// when a score is added.
constexpr float kMasked = -30000.0f;

// Buffers begin at lines of the cache.
constexpr std::size_t kAlignment = 64;

struct Expected {
  bool input;
  abi::DataType type;
  Dimensions dimensions;
};

using enum abi::DataType;

std::map<std::string, Expected> expected_tensors(const LlamaShape& shape, std::uint32_t tokens,
                                                 std::uint32_t context) {
  const std::uint32_t past = context - tokens;
  const std::uint32_t head = shape.head_length;
  const std::uint32_t kv = shape.kv_heads;
  std::map<std::string, Expected> expected = {
      {tensor_name::kTokens, {true, kInt32, {1, tokens}}},
      {tensor_name::kMask, {true, kFloat16, {1, 1, tokens, context}}},
      {tensor_name::kCos, {true, kFloat16, {1, 1, tokens, head / 2}}},
      {tensor_name::kSin, {true, kFloat16, {1, 1, tokens, head / 2}}},
      {tensor_name::kLogits, {false, kFloat16, {1, 1, tokens, shape.vocabulary_size}}},
  };
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
    expected[tensor_name::past_key_in(layer)] = {true, kFloat16, {kv, 1, head, past}};
    expected[tensor_name::past_value_in(layer)] = {true, kFloat16, {kv, 1, past, head}};
    expected[tensor_name::past_key_out(layer)] = {false, kFloat16, {kv, 1, head, tokens}};
    expected[tensor_name::past_value_out(layer)] = {false, kFloat16, {kv, 1, tokens, head}};
  }
  return expected;
}

std::string dimensions_text(const Dimensions& dimensions) {
  std::string text = "[";
  for (const std::uint32_t length : dimensions) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(length);
  }
  return text + ']';
}

[[noreturn]] void throw_mismatch(const Graph& graph, const std::string& what) {
  throw Error(code::kModelInvalid, "The graph " + graph.name() +
                                       " of the context binary is not what its manifest says: " +
                                       what + ". Compile the model again.");
}

void check_tensors(const Graph& graph, bool inputs, const std::map<std::string, Expected>& expected,
                   std::size_t& found) {
  for (const TensorInfo& tensor : inputs ? graph.inputs() : graph.outputs()) {
    const auto row = expected.find(tensor.name);
    if (row == expected.end() || row->second.input != inputs) {
      throw_mismatch(graph, "it has a tensor " + tensor.name + " that is not known");
    }
    if (row->second.type != tensor.data_type || row->second.dimensions != tensor.dimensions) {
      throw_mismatch(graph, "its tensor " + tensor.name + " is " +
                                data_type_name(tensor.data_type) + ' ' +
                                dimensions_text(tensor.dimensions) + " instead of " +
                                data_type_name(row->second.type) + ' ' +
                                dimensions_text(row->second.dimensions));
    }
    ++found;
  }
}

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

LlamaRunner::LlamaRunner(std::unique_ptr<Graph> graph, const LlamaShape& shape,
                         std::uint32_t tokens, std::uint32_t context_tokens)
    : graph_(std::move(graph)),
      shape_(shape),
      tokens_(tokens),
      context_tokens_(context_tokens),
      past_capacity_(context_tokens - tokens) {
  const auto expected = expected_tensors(shape_, tokens_, context_tokens_);
  std::size_t found = 0;
  check_tensors(*graph_, true, expected, found);
  check_tensors(*graph_, false, expected, found);
  // Names that come twice would be counted twice, and another one would be missing.
  if (found != expected.size()) throw_mismatch(*graph_, "tensors are missing, or come twice");
  bind_buffers();
}

std::byte* LlamaRunner::bind(bool input, const std::string& name, std::size_t& at) {
  const std::vector<TensorInfo>& tensors = input ? graph_->inputs() : graph_->outputs();
  const auto tensor = std::find_if(tensors.begin(), tensors.end(),
                                   [&](const TensorInfo& one) { return one.name == name; });
  if (tensor == tensors.end()) throw_mismatch(*graph_, "it has no tensor " + name);
  const auto index = static_cast<std::size_t>(tensor - tensors.begin());
  const std::span<std::byte> place = std::span(buffer_).subspan(at, tensor->bytes());
  if (input) {
    graph_->bind_input(index, place);
  } else {
    graph_->bind_output(index, place);
  }
  at += aligned(place.size());
  return place.data();
}

void LlamaRunner::bind_buffers() {
  std::size_t bytes = kAlignment;
  for (const TensorInfo& tensor : graph_->inputs()) bytes += aligned(tensor.bytes());
  for (const TensorInfo& tensor : graph_->outputs()) bytes += aligned(tensor.bytes());
  // Zeros: what is masked is computed with, too, and must be numbers.
  buffer_.assign(bytes, std::byte{0});
  std::size_t at =
      (kAlignment - reinterpret_cast<std::uintptr_t>(buffer_.data()) % kAlignment) % kAlignment;
  const auto halves = [&](bool input, const std::string& name) {
    return reinterpret_cast<std::uint16_t*>(bind(input, name, at));
  };
  ids_ = reinterpret_cast<std::int32_t*>(bind(true, tensor_name::kTokens, at));
  mask_ = halves(true, tensor_name::kMask);
  cosines_ = halves(true, tensor_name::kCos);
  sines_ = halves(true, tensor_name::kSin);
  logits_ = halves(false, tensor_name::kLogits);
  for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
    LayerBuffers row;
    row.past_keys = halves(true, tensor_name::past_key_in(layer));
    row.past_values = halves(true, tensor_name::past_value_in(layer));
    row.new_keys = halves(false, tensor_name::past_key_out(layer));
    row.new_values = halves(false, tensor_name::past_value_out(layer));
    layers_.push_back(row);
  }
}

void LlamaRunner::run(SequenceId sequence, KvCache& cache, std::uint32_t past,
                      std::span<const Token> tokens, const RopeTable& rope) {
  bring_past(sequence, cache, past);
  fill_inputs(past, tokens, rope);
  graph_->execute();
  take_new_rows(cache, past, static_cast<std::uint32_t>(tokens.size()));
}

void LlamaRunner::bring_past(SequenceId sequence, KvCache& cache, std::uint32_t past) {
  const std::uint32_t from =
      sequence == held_sequence_ ? std::min(held_tokens_, past) : std::uint32_t{0};
  const std::size_t head_length = shape_.head_length;
  for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
    for (std::uint32_t head = 0; head < shape_.kv_heads; ++head) {
      std::uint16_t* const keys =
          layers_[layer].past_keys + std::size_t{head} * head_length * past_capacity_;
      const std::uint16_t* row = cache.key(layer, head, from);
      for (std::uint32_t token = from; token < past; ++token, row += head_length) {
        for (std::size_t i = 0; i < head_length; ++i) keys[i * past_capacity_ + token] = row[i];
      }
      std::uint16_t* const values =
          layers_[layer].past_values + (std::size_t{head} * past_capacity_ + from) * head_length;
      std::copy_n(cache.value(layer, head, from), (past - from) * head_length, values);
    }
  }
  // What is hidden is multiplied with, too, and an infinite value of another sequence would make
  // the sum no number.
  if (past < filled_tokens_) clear_past(past, filled_tokens_);
  filled_tokens_ = past;
  held_sequence_ = sequence;
  held_tokens_ = past;
}

void LlamaRunner::clear_past(std::uint32_t from, std::uint32_t to) {
  const std::size_t head_length = shape_.head_length;
  for (const LayerBuffers& layer : layers_) {
    for (std::uint32_t head = 0; head < shape_.kv_heads; ++head) {
      std::uint16_t* const keys =
          layer.past_keys + std::size_t{head} * head_length * past_capacity_;
      for (std::size_t i = 0; i < head_length; ++i) {
        std::fill_n(keys + i * past_capacity_ + from, to - from, std::uint16_t{0});
      }
      std::fill_n(layer.past_values + (std::size_t{head} * past_capacity_ + from) * head_length,
                  (to - from) * head_length, std::uint16_t{0});
    }
  }
}

void LlamaRunner::fill_inputs(std::uint32_t past, std::span<const Token> tokens,
                              const RopeTable& rope) {
  constexpr std::uint16_t kSeen = 0;
  constexpr std::uint16_t kHidden = f32_to_f16(kMasked);
  const std::size_t half = shape_.head_length / 2;
  for (std::uint32_t i = 0; i < tokens_; ++i) {
    const bool real = i < tokens.size();
    ids_[i] = real ? tokens[i] : 0;
    std::uint16_t* const mask = mask_ + std::size_t{i} * context_tokens_;
    std::fill_n(mask, context_tokens_, kHidden);
    if (real) {
      std::fill_n(mask, past, kSeen);
      std::fill_n(mask + past_capacity_, i + 1, kSeen);
    } else {
      // A row that sees nothing would divide by zero.
      mask[past_capacity_ + i] = kSeen;
    }
    const std::uint32_t position = real ? past + i : 0;
    std::ranges::copy(rope.cosines(position), cosines_ + i * half);
    std::ranges::copy(rope.sines(position), sines_ + i * half);
  }
}

void LlamaRunner::take_new_rows(KvCache& cache, std::uint32_t past, std::uint32_t count) {
  const std::size_t head_length = shape_.head_length;
  for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
    for (std::uint32_t head = 0; head < shape_.kv_heads; ++head) {
      const std::uint16_t* const keys =
          layers_[layer].new_keys + std::size_t{head} * head_length * tokens_;
      std::uint16_t* row = cache.key(layer, head, past);
      for (std::uint32_t token = 0; token < count; ++token, row += head_length) {
        for (std::size_t i = 0; i < head_length; ++i) row[i] = keys[i * tokens_ + token];
      }
      std::copy_n(layers_[layer].new_values + std::size_t{head} * tokens_ * head_length,
                  count * head_length, cache.value(layer, head, past));
    }
  }
}

std::span<const std::uint16_t> LlamaRunner::logits(std::uint32_t token) const {
  return {logits_ + std::size_t{token} * shape_.vocabulary_size, shape_.vocabulary_size};
}

void LlamaRunner::forget(SequenceId sequence, std::uint32_t count) {
  if (sequence == held_sequence_) held_tokens_ = std::min(held_tokens_, count);
}

}  // namespace mobillm::qnn
