#include "mobillm/generation.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "mobillm/error.hpp"

namespace mobillm {

namespace {

// Adds the time from its making to its end.
class Stopwatch {
 public:
  explicit Stopwatch(double& milliseconds) : milliseconds_(milliseconds) {}
  ~Stopwatch() {
    milliseconds_ +=
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
            .count();
  }

 private:
  double& milliseconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Generation::Generation(std::shared_ptr<Sequence> sequence, std::vector<Token> prompt,
                       GenerateSpec spec, std::function<void()> on_ready)
    : sequence_(std::move(sequence)),
      model_(sequence_->model()),
      prompt_(std::move(prompt)),
      spec_(std::move(spec)),
      on_ready_(std::move(on_ready)) {}

void Generation::abort() {
  abort_.set();
  bool resume = false;
  {
    const std::lock_guard lock(mutex_);
    std::swap(resume, parked_);
  }
  if (resume) post_step();
}

bool Generation::wait() {
  const std::lock_guard lock(mutex_);
  waiting_ = !news_;
  return news_;
}

GenerationBatch Generation::take() {
  GenerationBatch batch;
  bool resume = false;
  {
    const std::lock_guard lock(mutex_);
    batch = std::exchange(outbox_, {});
    outbox_.prefilled_tokens = batch.prefilled_tokens;
    outbox_.prefill_ms = batch.prefill_ms;
    outbox_.decode_ms = batch.decode_ms;
    news_ = false;
    std::swap(resume, parked_);
  }
  if (resume) post_step();
  return batch;
}

bool Generation::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void Generation::post_step() {
  if (model_.worker().post([self = shared_from_this()] { self->step(); })) return;
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    outbox_.error = std::make_exception_ptr(
        Error(code::kClosed, "The model was closed while this generation was parked."));
    news_ = true;
    ended_ = true;
    notify = std::exchange(waiting_, false);
  }
  if (notify) on_ready_();
}

void Generation::step() noexcept {
  std::optional<Finish> finish;
  std::exception_ptr error;
  step_token_.reset();
  step_logprobs_.clear();
  try {
    finish = work();
  } catch (...) {
    error = std::current_exception();
  }

  bool repost = false;
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    if (step_token_) outbox_.tokens.push_back(*step_token_);
    outbox_.logprobs.insert(outbox_.logprobs.end(), step_logprobs_.begin(), step_logprobs_.end());
    outbox_.prefilled_tokens = static_cast<std::int64_t>(prefilled_);
    outbox_.prefill_ms = prefill_ms_;
    outbox_.decode_ms = decode_ms_;
    outbox_.finish = finish;
    outbox_.error = error;
    news_ = true;
    notify = std::exchange(waiting_, false);
    ended_ = finish || error;
    if (!ended_) {
      // Out of credit it waits, unless it is to end: an abort that came just before has found it
      // not parked, and relies on the next step.
      parked_ = outbox_.tokens.size() >= spec_.credit_tokens && !abort_.is_set();
      repost = !parked_;
    }
  }
  if (notify) on_ready_();
  if (repost) post_step();
}

std::optional<Finish> Generation::work() {
  if (abort_.is_set() || model_.aborted()) return Finish::kAborted;
  if (prefilled_ < prompt_.size()) return prefill_step();
  return sampled_ == 0 ? first_step_without_tokens() : decode_step();
}

// The logits were kept when the last token was computed, or came with an import.
std::optional<Finish> Generation::first_step_without_tokens() {
  if (spec_.max_tokens == 0) return Finish::kMaxTokens;
  const Stopwatch watch(decode_ms_);
  sampler_ = model_.make_sampler(spec_.sampling, sequence_->tokens());
  return sample(sequence_->kept_logits().data());
}

std::optional<Finish> Generation::prefill_step() {
  const std::size_t count =
      std::min<std::size_t>(prompt_.size() - prefilled_, model_.step_tokens());
  const bool last = prefilled_ + count == prompt_.size();
  const bool samples = last && spec_.max_tokens > 0;
  const bool wants_logits = last && (samples || spec_.keep_logits);
  {
    const Stopwatch watch(prefill_ms_);
    const std::span<const Token> tokens(prompt_.data() + prefilled_, count);
    switch (sequence_->append(tokens, wants_logits, abort_)) {
      case StepStatus::kNoRoom:
        return Finish::kContextFull;
      case StepStatus::kAborted:
        return Finish::kAborted;
      case StepStatus::kDone:
        break;
    }
    prefilled_ += count;
  }
  if (!last) return std::nullopt;
  const Stopwatch watch(decode_ms_);
  const float* logits = wants_logits ? take_logits() : nullptr;
  if (!samples) return Finish::kMaxTokens;
  // The prompt is in the sequence by now, so the penalties see it.
  sampler_ = model_.make_sampler(spec_.sampling, sequence_->tokens());
  // The logits belong to the context: whichever sequence steps next overwrites them.
  return sample(logits);
}

std::optional<Finish> Generation::decode_step() {
  const Stopwatch watch(decode_ms_);
  switch (sequence_->append({&last_token_, 1}, true, abort_)) {
    case StepStatus::kNoRoom:
      return Finish::kContextFull;
    case StepStatus::kAborted:
      return Finish::kAborted;
    case StepStatus::kDone:
      return sample(take_logits());
  }
  return std::nullopt;
}

// Kept at each step, and not only at the last one: whether a step was the last is known when the
// next one finds no room, and by then another sequence may have overwritten the row.
const float* Generation::take_logits() {
  const float* logits = sequence_->logits();
  if (spec_.keep_logits) {
    sequence_->keep_logits({logits, static_cast<std::size_t>(model_.vocabulary_size())});
  }
  return logits;
}

std::optional<Finish> Generation::sample(const float* logits) {
  last_token_ = sampler_->choose(logits);
  ++sampled_;
  step_token_ = last_token_;
  if (spec_.logprobs >= 0) {
    step_logprobs_.push_back(
        logprobs_of(logits, model_.vocabulary_size(), last_token_, spec_.logprobs));
  }
  if (spec_.end_tokens.contains(last_token_)) return Finish::kEndToken;
  if (sampled_ >= spec_.max_tokens) return Finish::kMaxTokens;
  // Known now, so the reader is told now and not one pull later.
  if (sequence_->token_count() >= model_.context_tokens()) return Finish::kContextFull;
  return std::nullopt;
}

}  // namespace mobillm
