// One generation: prefills what is new, then decodes and samples, a step at a time. Plain C++: no
// Node-API here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "mobillm/abort_flag.hpp"
#include "mobillm/grammar/grammars.hpp"
#include "mobillm/logprobs.hpp"
#include "mobillm/sampling.hpp"
#include "mobillm/sequence.hpp"
#include "mobillm/speculation/speculator.hpp"

namespace mobillm {

// Whether tokens are guessed ahead and computed along with the one before them.
enum class Speculation {
  kOff,
  kAuto,   // as many as pay, by what steps cost and how often guesses were right
  kAlways  // as many as there are
};

// Core's `GenerateSpec`.
struct GenerateSpec {
  std::int64_t max_tokens = 0;  // 0 only prefills
  bool keep_logits = false;
  std::unordered_set<Token> end_tokens;
  SamplingOptions sampling;
  std::int32_t logprobs = -1;  // alternatives a token; -1: none are computed
  std::size_t credit_tokens = 1;
  Speculation speculation = Speculation::kOff;
  std::string grammar;  // GBNF; empty: none
  // How many of the last tokens, of cache and prompt together, the grammar has seen: those of an
  // answer that goes on.
  std::size_t grammar_tokens = 0;
};

enum class Finish { kEndToken, kMaxTokens, kContextFull, kGrammarEnd, kAborted };

// What came since the reader last took something.
struct GenerationBatch {
  std::vector<Token> tokens;
  std::vector<TokenLogprobs> logprobs;  // one a token, or empty
  std::int64_t prefilled_tokens = 0;    // so far
  double prefill_ms = 0;                // so far, waiting for other sequences not counted
  double decode_ms = 0;
  std::optional<std::int64_t> rejected_tokens;  // so far, with a grammar; see TokenSampler
  std::optional<DraftCounts> drafts;            // so far, with speculation
  std::optional<Finish> finish;
  std::exception_ptr error;  // set instead of `finish`, in a batch without tokens
};

// The rows of one item of the latest step.
struct LogitRows {
  SequenceModel& model;
  std::size_t item;

  const float* operator[](std::size_t row) const { return model.logits(item, row); }
};

// Takes part in the steps of its model's scheduler until it ends. A generation that is
// `credit_tokens` ahead of its reader is parked, until the reader takes what there is.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  // An empty `prompt` needs kept logits to begin with. `on_ready` is called once after each `wait`
  // that returned false, as soon as there is something to take: on the model's thread, or on the
  // one that stopped it.
  Generation(std::shared_ptr<Sequence> sequence, std::vector<Token> prompt, GenerateSpec spec,
             std::function<void()> on_ready);

  // Begins.
  void start() { resume(); }

  // Ends it within one step; any thread, more than once. The last batch then has kAborted, or
  // what it ended by just before.
  void abort();

  // Reader's side ---------------------------------------------------------------------------------

  // Whether something can be taken now; if not, `on_ready` will be called.
  bool wait();
  // Takes what has come, and lets a parked generation go on.
  GenerationBatch take();
  // Whether the last batch is made: no step will run any more.
  bool ended() const;

  // Scheduler's side, on the model's thread -------------------------------------------------------

  // To be called before each step: ends it where it was aborted, or its grammar is not valid, and
  // samples the first token where the logits are known. Returns whether it has tokens to compute.
  bool settle() noexcept;
  bool aborted() const noexcept { return abort_.is_set(); }
  // Whether tokens of the prompt are to be computed next, and not the one that was sampled last.
  bool prefilling() const noexcept { return prefilled_ < prompt_.size(); }
  // See Sequence::step_group.
  std::uintptr_t group() const noexcept { return sequence_->step_group(); }
  // What is to be computed next.
  std::span<const Token> pending() const noexcept;
  // To be called before it takes part in a step while it decodes: guesses tokens behind the one
  // that was sampled last, to be computed along with it, where that pays. `most` tokens have room
  // in the step; 0 where others have a part in it.
  void draft(std::size_t most) noexcept;
  // Its part in a step: the first `tokens` of those.
  StepItem step_item(std::size_t tokens) const noexcept;
  // Takes what its part of a step came to. Returns whether it takes part in the next one: it has
  // not ended and is not parked.
  bool complete(const StepItem& item, const StepOutcome& outcome, const LogitRows& rows) noexcept;
  // Ends it with CLOSED: there will be no more steps. On whichever thread finds that out.
  void end_closed() noexcept;

 private:
  // Goes to the scheduler, anew or after it was parked.
  void resume();
  // Runs `work`, which tells how the generation ended if it did, and makes public what it did.
  template <typename Work>
  bool advance(Work work) noexcept;
  bool publish(std::optional<Finish> finish, std::exception_ptr error) noexcept;
  // Each returns how the generation ended, if it did.
  std::optional<Finish> sample_kept();
  std::optional<Finish> after_step(const StepItem& item, const LogitRows& rows, double step_ms);
  // Once the prompt is in the sequence.
  void begin_sampling();
  // Takes the tokens that were sampled in a step of so many milliseconds; nothing where that tells
  // nothing of what such a step costs.
  void take_sampled(std::optional<double> step_ms);
  // From a row behind so many tokens.
  std::optional<Finish> sample(const float* logits, std::int32_t cached);
  std::size_t credit_left() const noexcept;
  // What chooses the tokens, the prompt being in the sequence.
  std::unique_ptr<TokenSampler> make_sampler();

  const std::shared_ptr<Sequence> sequence_;
  SequenceModel& model_;
  const std::vector<Token> prompt_;
  const GenerateSpec spec_;
  const std::function<void()> on_ready_;
  AbortFlag abort_;

  // Model's thread.
  std::size_t prefilled_ = 0;
  std::int64_t sampled_ = 0;
  // The token that was sampled last, which is computed next, and what is guessed to follow it.
  std::vector<Token> next_;
  std::unique_ptr<Speculator> speculator_;  // none where nothing is guessed
  bool alone_ = false;                      // whether nobody else has a part in the step that runs
  std::optional<TokenMatcher> matcher_;     // until the sampler has it
  std::unique_ptr<TokenSampler> sampler_;
  double prefill_ms_ = 0;
  double decode_ms_ = 0;
  std::int64_t rejected_tokens_ = 0;
  std::vector<TokenLogprobs> step_logprobs_;
  std::vector<Token> step_tokens_;

  // Both threads.
  mutable std::mutex mutex_;
  GenerationBatch outbox_;
  bool news_ = false;     // the outbox has something that was not taken
  bool waiting_ = false;  // the reader wants `on_ready`
  bool parked_ = false;   // no step is posted, for want of credit
  bool ended_ = false;
};

}  // namespace mobillm
