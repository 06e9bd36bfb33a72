#include "step_batch.hpp"

#include <algorithm>

namespace mobillm::llamacpp {

void StepBatch::clear() {
  tokens_.clear();
  positions_.clear();
  token_ids_.clear();
  outputs_.clear();
  first_outputs_.clear();
}

void StepBatch::add(const Part& part) {
  llama_pos position = part.position;
  for (const Token token : part.tokens) {
    tokens_.push_back(token);
    positions_.push_back(position++);
    token_ids_.push_back(part.id);
    outputs_.push_back(0);
  }
  std::fill_n(outputs_.rbegin(), part.outputs, std::int8_t{1});
  first_outputs_.push_back(static_cast<std::int32_t>(tokens_.size() - part.outputs));
}

llama_batch StepBatch::get() {
  // Only now: while it grew, the numbers moved.
  ids_.resize(token_ids_.size());
  std::ranges::transform(token_ids_, ids_.begin(), [](llama_seq_id& id) { return &id; });
  id_counts_.assign(tokens_.size(), 1);
  return {static_cast<std::int32_t>(tokens_.size()),
          tokens_.data(),
          nullptr,
          positions_.data(),
          id_counts_.data(),
          ids_.data(),
          outputs_.data()};
}

}  // namespace mobillm::llamacpp
