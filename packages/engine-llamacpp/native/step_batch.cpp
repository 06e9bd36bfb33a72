#include "step_batch.hpp"

#include <algorithm>

#include "sequence.hpp"

namespace mobillm::llamacpp {

void StepBatch::assign(std::span<const StepItem> items) {
  tokens_.clear();
  positions_.clear();
  ids_.clear();
  outputs_.clear();
  first_outputs_.clear();
  // Pointed into below, so it must not grow then.
  item_ids_.resize(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const StepItem& item = items[i];
    item_ids_[i] = static_cast<const LlamaSequence*>(item.sequence)->id();
    llama_pos position = item.sequence->token_count();
    for (const Token token : item.tokens) {
      tokens_.push_back(token);
      positions_.push_back(position++);
      ids_.push_back(&item_ids_[i]);
      outputs_.push_back(0);
    }
    std::fill_n(outputs_.rbegin(), item.logit_rows, std::int8_t{1});
    first_outputs_.push_back(static_cast<std::int32_t>(tokens_.size() - item.logit_rows));
  }
  id_counts_.assign(tokens_.size(), 1);
}

llama_batch StepBatch::get() {
  return {static_cast<std::int32_t>(tokens_.size()),
          tokens_.data(),
          nullptr,
          positions_.data(),
          id_counts_.data(),
          ids_.data(),
          outputs_.data()};
}

}  // namespace mobillm::llamacpp
