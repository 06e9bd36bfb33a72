#include "mobillm/sequence.hpp"

#include "mobillm/error.hpp"
#include "mobillm/sampler_chain.hpp"
#include "mobillm/scheduler.hpp"
#include "mobillm/speculation/prompt_lookup.hpp"

namespace mobillm {

namespace {

[[noreturn]] void throw_no_hand_over() {
  throw Error(code::kUnsupported,
              "This engine cannot hand a sequence's cache over. Ask its capabilities first.");
}

}  // namespace

SequenceModel::SequenceModel() : scheduler_(std::make_unique<Scheduler>(*this)) {}

SequenceModel::~SequenceModel() = default;

std::unique_ptr<TokenSampler> SequenceModel::make_sampler(const SamplingOptions& options,
                                                          std::span<const Token> history) {
  return std::make_unique<SamplerChain>(options, vocabulary_size(), history);
}

std::unique_ptr<Drafter> SequenceModel::make_drafter(const AbortFlag&) {
  return std::make_unique<PromptLookup>();
}

TokenBytes SequenceModel::token_bytes() {
  if (token_bytes_) return std::move(*std::exchange(token_bytes_, std::nullopt));
  throw Error(code::kUnsupported,
              "This engine was not told what its tokens stand for, so it cannot follow a grammar. "
              "Ask its capabilities first.");
}

Grammars& SequenceModel::grammars() {
  if (grammars_ == nullptr) grammars_ = std::make_unique<Grammars>(token_bytes());
  return *grammars_;
}

bool Sequence::copy_from(const Sequence&, std::int32_t) {
  throw Error(code::kUnsupported,
              "This engine cannot copy a sequence's cache. Ask its capabilities first.");
}

bool Sequence::remove_tokens(std::int32_t, std::int32_t) {
  throw Error(code::kUnsupported,
              "This engine cannot take tokens out of the middle of a cache. Ask its capabilities "
              "first.");
}

void Sequence::set_adapters(std::vector<AdapterUse>) {
  throw Error(code::kUnsupported, "This engine applies no adapters. Ask its capabilities first.");
}

KvShape Sequence::kv_shape() const { throw_no_hand_over(); }

void Sequence::export_kv(std::int32_t, KvSpan, const AbortFlag&) { throw_no_hand_over(); }

void Sequence::import_kv(const KvView&, std::span<const Token>, const AbortFlag&) {
  throw_no_hand_over();
}

void Sequence::keep_logits(std::span<const float> row) {
  kept_logits_.assign(row.begin(), row.end());
  logits_kept_.store(true, std::memory_order_relaxed);
}

void Sequence::publish() noexcept {
  const auto count = static_cast<std::int32_t>(tokens_.size());
  if (count == token_count()) return;
  token_count_.store(count, std::memory_order_relaxed);
  logits_kept_.store(false, std::memory_order_relaxed);
}

}  // namespace mobillm
