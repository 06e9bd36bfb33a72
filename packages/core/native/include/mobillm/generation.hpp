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
#include <unordered_set>
#include <vector>

#include "mobillm/abort_flag.hpp"
#include "mobillm/logprobs.hpp"
#include "mobillm/sampling.hpp"
#include "mobillm/sequence.hpp"

namespace mobillm {

// Core's `GenerateSpec`.
struct GenerateSpec {
  std::int64_t max_tokens = 0;  // 0 only prefills
  bool keep_logits = false;
  std::unordered_set<Token> end_tokens;
  SamplingOptions sampling;
  std::int32_t logprobs = -1;  // alternatives a token; -1: none are computed
  std::size_t credit_tokens = 1;
};

enum class Finish { kEndToken, kMaxTokens, kContextFull, kAborted };

// What came since the reader last took something.
struct GenerationBatch {
  std::vector<Token> tokens;
  std::vector<TokenLogprobs> logprobs;  // one a token, or empty
  std::int64_t prefilled_tokens = 0;    // so far
  double prefill_ms = 0;                // so far, waiting for other sequences not counted
  double decode_ms = 0;
  std::optional<Finish> finish;
  std::exception_ptr error;  // set instead of `finish`
};

// Steps are jobs of the model's thread that post themselves again, so generations of one model take
// turns. A generation that is `credit_tokens` ahead of its reader posts nothing, until the reader
// takes what there is.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  // An empty `prompt` needs kept logits to begin with. `on_ready` is called on the model's thread,
  // once after each `wait` that returned false, as soon as there is something to take.
  Generation(std::shared_ptr<Sequence> sequence, std::vector<Token> prompt, GenerateSpec spec,
             std::function<void()> on_ready);

  // Begins.
  void start() { post_step(); }

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

 private:
  // Posts the next step; ends with CLOSED when the model's thread has been stopped.
  void post_step();
  void step() noexcept;
  // Each returns how the generation ended, if it did.
  std::optional<Finish> work();
  std::optional<Finish> first_step_without_tokens();
  std::optional<Finish> prefill_step();
  std::optional<Finish> decode_step();
  std::optional<Finish> sample(const float* logits);
  // The row after the last token, kept if that was asked for.
  const float* take_logits();

  const std::shared_ptr<Sequence> sequence_;
  SequenceModel& model_;
  const std::vector<Token> prompt_;
  const GenerateSpec spec_;
  const std::function<void()> on_ready_;
  AbortFlag abort_;

  // Model's thread.
  std::size_t prefilled_ = 0;
  std::int64_t sampled_ = 0;
  Token last_token_ = kNoToken;
  std::unique_ptr<TokenSampler> sampler_;
  double prefill_ms_ = 0;
  double decode_ms_ = 0;
  std::vector<TokenLogprobs> step_logprobs_;
  std::optional<Token> step_token_;

  // Both threads.
  mutable std::mutex mutex_;
  GenerationBatch outbox_;
  bool news_ = false;     // the outbox has something that was not taken
  bool waiting_ = false;  // the reader wants `on_ready`
  bool parked_ = false;   // no step is posted, for want of credit
  bool ended_ = false;
};

}  // namespace mobillm
