#include "sequence.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "kv_hand_over.hpp"
#include "model.hpp"
#include "status.hpp"

namespace mobillm::llamacpp {

LlamaSequence::LlamaSequence(std::shared_ptr<Model> model, llama_seq_id id)
    : model_(std::move(model)), id_(id) {}

SequenceModel& LlamaSequence::model() { return *model_; }

void LlamaSequence::release() {
  truncate(0);
  model_->return_sequence_id(id_);
}

StepStatus LlamaSequence::append(std::span<const Token> tokens, bool wants_logits,
                                 const AbortFlag& abort) {
  const auto before = static_cast<std::int32_t>(tokens_.size());
  const std::size_t count = tokens.size();
  batch_.tokens.assign(tokens.begin(), tokens.end());
  batch_.positions.resize(count);
  std::iota(batch_.positions.begin(), batch_.positions.end(), before);
  batch_.id_counts.assign(count, 1);
  batch_.ids.assign(count, &id_);
  batch_.outputs.assign(count, 0);
  batch_.outputs.back() = wants_logits ? 1 : 0;
  const llama_batch batch{static_cast<std::int32_t>(count),
                          batch_.tokens.data(),
                          nullptr,
                          batch_.positions.data(),
                          batch_.id_counts.data(),
                          batch_.ids.data(),
                          batch_.outputs.data()};

  model_->set_step_abort(&abort);
  const std::int32_t status = llama_decode(model_->context(), batch);
  model_->set_step_abort(nullptr);
  if (status == 0) {
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    publish();
    return StepStatus::kDone;
  }
  // After an abort or a failure, what the library had done of the step may still lie in its cache.
  truncate(before);
  return check_decode(status);
}

const float* LlamaSequence::logits() { return llama_get_logits_ith(model_->context(), -1); }

std::int32_t LlamaSequence::truncate(std::int32_t count) {
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

KvShape LlamaSequence::kv_shape() const { return model_->kv_hand_over().shape(); }

void LlamaSequence::export_kv(std::int32_t from, KvSpan out, const AbortFlag& abort) {
  model_->kv_hand_over().read(model_->context(), id_, from, out, abort);
}

void LlamaSequence::import_kv(const KvView& in, std::span<const Token> tokens,
                              const AbortFlag& abort) {
  const std::int32_t before = token_count();
  try {
    model_->kv_hand_over().append(model_->context(), id_, before, in, abort);
  } catch (...) {
    truncate(before);
    throw;
  }
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  publish();
}

}  // namespace mobillm::llamacpp
