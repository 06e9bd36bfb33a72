#include "sequence.hpp"

#include <algorithm>
#include <utility>

#include "kv_hand_over.hpp"
#include "mobillm/error.hpp"
#include "model.hpp"

namespace mobillm::llamacpp {

LlamaSequence::LlamaSequence(std::shared_ptr<Model> model, llama_seq_id id)
    : model_(std::move(model)), id_(id) {}

SequenceModel& LlamaSequence::model() { return *model_; }

void LlamaSequence::release() {
  truncate(0);
  adapters_.reset();
  model_->return_sequence_id(id_);
}

void LlamaSequence::set_adapters(std::vector<AdapterUse> uses) {
  AdapterSetPtr set = model_->adapter_set(uses);
  if (set == adapters_) return;
  truncate(0);
  adapters_ = std::move(set);
}

void LlamaSequence::add(std::span<const Token> tokens) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  publish();
}

std::int32_t LlamaSequence::truncate(std::int32_t count) {
  llama_memory_t memory = llama_get_memory(model_->context());
  const auto wanted = std::min(count, static_cast<std::int32_t>(tokens_.size()));
  // What is left has to be there in full: a cache with a window may have let go of its beginning.
  if (llama_memory_seq_rm(memory, id_, wanted, -1) && holds(wanted)) {
    tokens_.resize(static_cast<std::size_t>(wanted));
  } else {
    llama_memory_seq_rm(memory, id_, -1, -1);
    tokens_.clear();
  }
  publish();
  return token_count();
}

bool LlamaSequence::holds(std::int32_t count) const {
  llama_memory_t memory = llama_get_memory(model_->context());
  return llama_memory_seq_pos_max(memory, id_) == count - 1 &&
         (count == 0 || llama_memory_seq_pos_min(memory, id_) == 0);
}

bool LlamaSequence::copy_from(const Sequence& source, std::int32_t count) {
  const auto& other = static_cast<const LlamaSequence&>(source);
  if (other.adapters_ != adapters_) return false;
  const bool whole = count == other.token_count();
  if (count == 0) {
    truncate(0);
    return true;
  }
  // The state of a recurrent model stands for all tokens together.
  if (!whole && !model_->cuts_back()) return false;
  truncate(0);
  llama_memory_t memory = llama_get_memory(model_->context());
  // In one pool of cells nothing is copied: the same cells count for both.
  llama_memory_seq_cp(memory, other.id_, id_, whole ? -1 : 0, whole ? -1 : count);
  if (!holds(count)) {
    llama_memory_seq_rm(memory, id_, -1, -1);
    throw Error(code::kNativeFailure, "llama.cpp did not copy a sequence, without saying why.");
  }
  add(std::span(other.tokens()).first(static_cast<std::size_t>(count)));
  if (whole && other.has_kept_logits()) keep_logits(other.kept_logits());
  return true;
}

bool LlamaSequence::remove_tokens(std::int32_t from, std::int32_t to) {
  llama_memory_t memory = llama_get_memory(model_->context());
  if (!model_->cuts_back() || !llama_memory_can_shift(memory)) return false;
  if (from == to) return true;
  llama_memory_seq_rm(memory, id_, from, to);
  llama_memory_seq_add(memory, id_, to, -1, from - to);
  model_->apply_moves();
  tokens_.erase(tokens_.begin() + from, tokens_.begin() + to);
  publish();
  if (holds(token_count())) return true;
  truncate(0);
  throw Error(code::kNativeFailure, "llama.cpp did not move a cache, without saying why.");
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
  add(tokens);
}

}  // namespace mobillm::llamacpp
