#include "mlc_sequence.hpp"

#include <utility>

namespace mobillm::mlc {

MlcSequence::MlcSequence(std::shared_ptr<Model> model) : model_(std::move(model)) {
  cache_.emplace(model_->make_cache());
}

KvCache& MlcSequence::cache() {
  if (!cache_) cache_.emplace(model_->make_cache());
  return *cache_;
}

StepStatus MlcSequence::append(std::span<const Token> tokens, const AbortFlag& abort) {
  if (abort.is_set() || model_->aborted()) return StepStatus::kAborted;
  if (tokens_.size() + tokens.size() > static_cast<std::size_t>(model_->context_tokens())) {
    return StepStatus::kNoRoom;
  }
  try {
    logits_ = model_->forward(cache(), tokens);
  } catch (...) {
    reset();
    throw;
  }
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  publish();
  return StepStatus::kDone;
}

std::int32_t MlcSequence::truncate(std::int32_t count) {
  const std::int32_t surplus = static_cast<std::int32_t>(tokens_.size()) - count;
  if (surplus <= 0) return token_count();
  try {
    cache().pop(surplus);
    tokens_.resize(static_cast<std::size_t>(count));
    publish();
  } catch (const Error&) {
    reset();
  }
  return token_count();
}

void MlcSequence::release() {
  reset();
  model_->return_place();
}

void MlcSequence::reset() noexcept {
  cache_.reset();
  logits_ = nullptr;
  tokens_.clear();
  publish();
}

void MlcSequence::export_kv(std::int32_t from, KvSpan out, const AbortFlag& abort) {
  out.tokens = tokens_.size() - static_cast<std::size_t>(from);
  cache().export_tokens(model_->kv_layout(), static_cast<std::int64_t>(tokens_.size()),
                        model_->kv_shape(), out, abort);
}

void MlcSequence::import_kv(const KvView& in, std::span<const Token> tokens,
                            const AbortFlag& abort) {
  if (tokens.empty()) return;
  cache_ = cache().with_appended(model_->kv_layout(), static_cast<std::int64_t>(tokens_.size()),
                                 model_->kv_shape(), in, abort);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  publish();
}

}  // namespace mobillm::mlc
