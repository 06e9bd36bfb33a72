#include "generation.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "mobillm/error.hpp"
#include "model.hpp"

namespace mobillm::llamacpp {

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

Generation::Generation(std::shared_ptr<Sequence> sequence, std::vector<llama_token> prompt,
                       GenerateSpec spec, std::function<void()> on_ready)
    : sequence_(std::move(sequence)),
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
  if (sequence_->model().worker().post([self = shared_from_this()] { self->step(); })) return;
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
  if (abort_.is_set() || sequence_->model().aborted()) return Finish::kAborted;
  return prefilled_ < prompt_.size() ? prefill_step() : decode_step();
}

std::optional<Finish> Generation::prefill_step() {
  const std::size_t count =
      std::min<std::size_t>(prompt_.size() - prefilled_, sequence_->model().batch_tokens());
  const bool last = prefilled_ + count == prompt_.size();
  const bool samples = last && spec_.max_tokens > 0;
  {
    const Stopwatch watch(prefill_ms_);
    switch (sequence_->append(prompt_.data() + prefilled_, count, samples, abort_)) {
      case DecodeStatus::kNoRoom:
        return Finish::kContextFull;
      case DecodeStatus::kAborted:
        return Finish::kAborted;
      case DecodeStatus::kDone:
        break;
    }
    prefilled_ += count;
  }
  if (!last) return std::nullopt;
  if (!samples) return Finish::kMaxTokens;
  const Stopwatch watch(decode_ms_);
  // The prompt is in the sequence by now, so the penalties see it.
  sampler_.emplace(spec_.sampling, sequence_->model().vocabulary().size(), sequence_->tokens());
  // The logits belong to the context: whichever sequence steps next overwrites them.
  return sample();
}

std::optional<Finish> Generation::decode_step() {
  const Stopwatch watch(decode_ms_);
  switch (sequence_->append(&last_token_, 1, true, abort_)) {
    case DecodeStatus::kNoRoom:
      return Finish::kContextFull;
    case DecodeStatus::kAborted:
      return Finish::kAborted;
    case DecodeStatus::kDone:
      return sample();
  }
  return std::nullopt;
}

std::optional<Finish> Generation::sample() {
  const float* logits = sequence_->logits();
  last_token_ = sampler_->choose(logits);
  ++sampled_;
  step_token_ = last_token_;
  if (spec_.logprobs >= 0) {
    step_logprobs_.push_back(
        logprobs_of(logits, sequence_->model().vocabulary().size(), last_token_, spec_.logprobs));
  }
  if (spec_.end_tokens.contains(last_token_)) return Finish::kEndToken;
  if (sampled_ >= spec_.max_tokens) return Finish::kMaxTokens;
  // Known now, so the reader is told now and not one pull later.
  const std::uint32_t context_tokens = sequence_->model().facts().context_tokens;
  if (static_cast<std::uint32_t>(sequence_->token_count()) >= context_tokens) {
    return Finish::kContextFull;
  }
  return std::nullopt;
}

}  // namespace mobillm::llamacpp
