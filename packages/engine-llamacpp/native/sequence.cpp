#include "sequence.hpp"

#include <algorithm>
#include <utility>

#include "model.hpp"

namespace mobillm::llamacpp {

Sequence::Sequence(std::shared_ptr<Model> model, llama_seq_id id)
    : model_(std::move(model)), id_(id) {}

void Sequence::release() {
  truncate(0);
  model_->return_sequence_id(id_);
}

DecodeStatus Sequence::append(const llama_token* tokens, std::size_t count, bool wants_logits,
                              const AbortFlag& abort) {
  const auto before = static_cast<std::int32_t>(tokens_.size());
  std::vector<llama_token> input(tokens, tokens + count);
  std::vector<llama_pos> positions(count);
  std::vector<std::int32_t> id_counts(count, 1);
  std::vector<llama_seq_id*> ids(count, &id_);
  std::vector<std::int8_t> outputs(count, 0);
  for (std::size_t i = 0; i < count; ++i) positions[i] = before + static_cast<llama_pos>(i);
  outputs.back() = wants_logits ? 1 : 0;
  const llama_batch batch{static_cast<std::int32_t>(count),
                          input.data(),
                          nullptr,
                          positions.data(),
                          id_counts.data(),
                          ids.data(),
                          outputs.data()};

  model_->set_step_abort(&abort);
  const std::int32_t status = llama_decode(model_->context(), batch);
  model_->set_step_abort(nullptr);
  if (status == 0) {
    tokens_.insert(tokens_.end(), input.begin(), input.end());
    publish();
    return DecodeStatus::kDone;
  }
  // After an abort or a failure, what the library had done of the step may still lie in its cache.
  truncate(before);
  return check_decode(status);
}

const float* Sequence::logits() const { return llama_get_logits_ith(model_->context(), -1); }

std::int32_t Sequence::truncate(std::int32_t count) {
  llama_memory_t memory = llama_get_memory(model_->context());
  const auto wanted = std::min(count, static_cast<std::int32_t>(tokens_.size()));
  bool cut = llama_memory_seq_rm(memory, id_, wanted, -1);
  // What is left has to be there in full: a cache with a window may have let go of its beginning.
  cut = cut && llama_memory_seq_pos_max(memory, id_) == wanted - 1 &&
        (wanted == 0 || llama_memory_seq_pos_min(memory, id_) == 0);
  if (cut) {
    tokens_.resize(static_cast<std::size_t>(wanted));
  } else {
    llama_memory_seq_rm(memory, id_, -1, -1);
    tokens_.clear();
  }
  publish();
  return token_count();
}

void Sequence::publish() {
  token_count_.store(static_cast<std::int32_t>(tokens_.size()), std::memory_order_relaxed);
}

}  // namespace mobillm::llamacpp
