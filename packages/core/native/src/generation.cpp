#include "mobillm/generation.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "mobillm/error.hpp"
#include "mobillm/grammar/grammar_sampler.hpp"
#include "mobillm/scheduler.hpp"

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
  if (resume) this->resume();
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
    outbox_.rejected_tokens = batch.rejected_tokens;
    outbox_.drafts = batch.drafts;
    // What came before a failure is not lost: the error has a batch of its own.
    if (!batch.tokens.empty()) std::swap(batch.error, outbox_.error);
    news_ = outbox_.error != nullptr;
    std::swap(resume, parked_);
  }
  if (resume) this->resume();
  return batch;
}

bool Generation::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void Generation::resume() { model_.scheduler().add(shared_from_this()); }

void Generation::end_closed() noexcept {
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    outbox_.error = std::make_exception_ptr(
        Error(code::kClosed, "The model was closed while this generation was running."));
    news_ = true;
    ended_ = true;
    notify = std::exchange(waiting_, false);
  }
  if (notify) on_ready_();
}

bool Generation::settle() noexcept {
  if (abort_.is_set() || model_.aborted()) return publish(Finish::kAborted, nullptr);
  if (!spec_.grammar.empty() && !matcher_ && sampler_ == nullptr) {
    try {
      matcher_.emplace(model_.grammars().matcher(spec_.grammar));
    } catch (...) {
      return publish(std::nullopt, std::current_exception());
    }
  }
  if (!pending().empty()) return true;
  return advance([this] { return sample_kept(); });
}

std::span<const Token> Generation::pending() const noexcept {
  if (prefilling()) return std::span(prompt_).subspan(prefilled_);
  return next_;
}

void Generation::draft(std::size_t most) noexcept {
  if (prefilling()) return;
  alone_ = most > 0;
  next_.resize(1);
  if (speculator_ == nullptr) return;
  const Stopwatch watch(decode_ms_);
  // Each guess that is right is one more token: for the reader, in the cache, and in the count.
  const std::size_t room = std::min({
      most,
      model_.step_logit_rows(),
      credit_left(),
      static_cast<std::size_t>(model_.context_tokens() - sequence_->token_count()),
      static_cast<std::size_t>(
          std::min<std::int64_t>(spec_.max_tokens - sampled_, kMostDraftTokens + 1)),
  });
  try {
    const std::span<const Token> guess = speculator_->draft(alone_ && room > 0 ? room - 1 : 0);
    next_.insert(next_.end(), guess.begin(), guess.end());
  } catch (...) {
    // Going on without guesses is all that it takes.
    next_.resize(1);
    speculator_.reset();
  }
}

std::size_t Generation::credit_left() const noexcept {
  const std::lock_guard lock(mutex_);
  return spec_.credit_tokens - std::min(spec_.credit_tokens, outbox_.tokens.size());
}

StepItem Generation::step_item(std::size_t tokens) const noexcept {
  const std::size_t left = pending().size();
  const bool wants_one = tokens == left && (spec_.max_tokens > 0 || spec_.keep_logits);
  const std::size_t rows = prefilling() ? (wants_one ? 1 : 0) : tokens;
  return {sequence_.get(), pending().first(tokens), rows, &abort_};
}

bool Generation::complete(const StepItem& item, const StepOutcome& outcome,
                          const LogitRows& rows) noexcept {
  (prefilling() ? prefill_ms_ : decode_ms_) += outcome.milliseconds;
  if (outcome.error) return publish(std::nullopt, outcome.error);
  switch (outcome.status) {
    case StepStatus::kNoRoom:
      // For the guesses, it may be.
      if (!prefilling() && item.tokens.size() > 1) {
        speculator_.reset();
        return true;
      }
      return publish(Finish::kContextFull, nullptr);
    case StepStatus::kAborted:
      return publish(Finish::kAborted, nullptr);
    case StepStatus::kDone:
      break;
  }
  return advance([&] { return after_step(item, rows, outcome.milliseconds); });
}

template <typename Work>
bool Generation::advance(Work work) noexcept {
  try {
    return publish(work(), nullptr);
  } catch (...) {
    return publish(std::nullopt, std::current_exception());
  }
}

bool Generation::publish(std::optional<Finish> finish, std::exception_ptr error) noexcept {
  bool goes_on = false;
  bool notify = false;
  if (sampler_ != nullptr) rejected_tokens_ = sampler_->rejected_tokens();
  if (finish || error) {
    // The grammar belongs to this thread; the generation may be dropped on another.
    sampler_.reset();
    matcher_.reset();
  }
  {
    const std::lock_guard lock(mutex_);
    outbox_.tokens.insert(outbox_.tokens.end(), step_tokens_.begin(), step_tokens_.end());
    step_tokens_.clear();
    outbox_.logprobs.insert(outbox_.logprobs.end(), step_logprobs_.begin(), step_logprobs_.end());
    step_logprobs_.clear();
    outbox_.prefilled_tokens = static_cast<std::int64_t>(prefilled_);
    outbox_.prefill_ms = prefill_ms_;
    outbox_.decode_ms = decode_ms_;
    if (speculator_ != nullptr) outbox_.drafts = speculator_->counts();
    if (!spec_.grammar.empty()) outbox_.rejected_tokens = rejected_tokens_;
    outbox_.finish = finish;
    outbox_.error = error;
    news_ = true;
    notify = std::exchange(waiting_, false);
    ended_ = finish || error;
    if (!ended_) {
      // Out of credit it waits, unless it is to end: an abort that came just before has found it
      // not parked, and relies on the next step.
      parked_ = outbox_.tokens.size() >= spec_.credit_tokens && !abort_.is_set();
      goes_on = !parked_;
    }
  }
  if (notify) on_ready_();
  return goes_on;
}

// The logits were kept when the last token was computed, or came with an import.
std::optional<Finish> Generation::sample_kept() {
  if (spec_.max_tokens == 0) return Finish::kMaxTokens;
  const Stopwatch watch(decode_ms_);
  begin_sampling();
  const auto finish = sample(sequence_->kept_logits().data(), sequence_->token_count());
  take_sampled(std::nullopt);
  return finish;
}

std::optional<Finish> Generation::after_step(const StepItem& item, const LogitRows& rows,
                                             double step_ms) {
  const bool prefilled = prefilling();
  if (prefilled) prefilled_ += item.tokens.size();
  if (prefilling()) return std::nullopt;
  const Stopwatch watch(decode_ms_);
  std::optional<Finish> finish;
  std::size_t row = 0;
  if (spec_.max_tokens == 0) {
    finish = Finish::kMaxTokens;
  } else {
    if (prefilled) begin_sampling();
    // From each row for as long as what was guessed was right. What was not is in the cache as
    // well.
    auto cached = sequence_->token_count() - static_cast<std::int32_t>(item.logit_rows) + 1;
    for (;; ++row, ++cached) {
      finish = sample(rows[row], cached);
      if (finish || row + 1 == item.logit_rows) break;
      if (item.tokens[row + 1] != step_tokens_.back()) break;
    }
    if (cached < sequence_->token_count() && sequence_->truncate(cached) != cached) {
      throw Error(code::kNativeFailure,
                  "The engine could not take wrongly guessed tokens out of the cache again. Send "
                  "the message again, with speculation: \"off\".");
    }
    take_sampled(prefilled || !alone_ ? std::nullopt : std::optional(step_ms));
  }
  // Kept at each step, and not only at the last one: whether a step was the last is known when the
  // next one finds no room, and by then another step may have overwritten the row.
  if (spec_.keep_logits) {
    sequence_->keep_logits({rows[row], static_cast<std::size_t>(model_.vocabulary_size())});
  }
  return finish;
}

void Generation::begin_sampling() {
  sampler_ = make_sampler();
  if (spec_.speculation == Speculation::kOff || model_.step_logit_rows() < 2) return;
  speculator_ =
      std::make_unique<Speculator>(model_.make_drafter(abort_), model_.step_costs(),
                                   spec_.speculation == Speculation::kAlways, sequence_->tokens());
}

void Generation::take_sampled(std::optional<double> step_ms) {
  if (step_tokens_.empty()) return;
  next_.assign(1, step_tokens_.back());
  if (speculator_ != nullptr) speculator_->add(step_tokens_, step_ms);
}

// The prompt is in the sequence by now, so the penalties see it.
std::unique_ptr<TokenSampler> Generation::make_sampler() {
  const std::vector<Token>& tokens = sequence_->tokens();
  std::unique_ptr<TokenSampler> sampler = model_.make_sampler(spec_.sampling, tokens);
  if (!matcher_) return sampler;
  const std::size_t seen = std::min(spec_.grammar_tokens, tokens.size());
  for (const Token token : std::span(tokens).last(seen)) {
    if (matcher_->accept(token)) continue;
    throw InvalidArgument(InvalidArgument::Kind::kRange, "grammar.answerTokens",
                          "names tokens that the grammar does not allow: the answer was not made "
                          "with it");
  }
  return std::make_unique<GrammarSampler>(std::move(sampler), *std::exchange(matcher_, {}),
                                          spec_.end_tokens, model_.vocabulary_size());
}

std::optional<Finish> Generation::sample(const float* logits, std::int32_t cached) {
  const Token token = sampler_->at_end() ? kNoToken : sampler_->choose(logits);
  if (token == kNoToken) return Finish::kGrammarEnd;
  ++sampled_;
  step_tokens_.push_back(token);
  if (spec_.logprobs >= 0) {
    step_logprobs_.push_back(logprobs_of(logits, model_.vocabulary_size(), token, spec_.logprobs));
  }
  if (spec_.end_tokens.contains(token)) return Finish::kEndToken;
  if (sampler_->at_end()) return Finish::kGrammarEnd;
  if (sampled_ >= spec_.max_tokens) return Finish::kMaxTokens;
  // Known now, so the reader is told now and not one pull later.
  if (cached >= model_.context_tokens()) return Finish::kContextFull;
  return std::nullopt;
}

}  // namespace mobillm
