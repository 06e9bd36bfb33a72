// What generations need of an engine: a model with a thread of its own, which computes steps, and
// sequences in it. Plain C++: no Node-API here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mobillm/abort_flag.hpp"
#include "mobillm/adapter.hpp"
#include "mobillm/grammar/grammars.hpp"
#include "mobillm/kv_layout.hpp"
#include "mobillm/sampling.hpp"
#include "mobillm/serial_worker.hpp"
#include "mobillm/speculation/draft_length.hpp"
#include "mobillm/speculation/drafter.hpp"
#include "mobillm/token.hpp"

namespace mobillm {

class Scheduler;
class Sequence;

// How a step ended. Failures are thrown.
enum class StepStatus {
  kDone,
  kNoRoom,  // the cache, or the pool that sequences share, is full
  kAborted
};

// What one sequence computes in a step: keys and values of tokens behind those that it has.
struct StepItem {
  Sequence* sequence = nullptr;
  std::span<const Token> tokens;  // at least one
  std::size_t logit_rows = 0;     // wanted, after each of the last so many tokens
  const AbortFlag* abort = nullptr;
};

// What a step came to, for one of its items.
struct StepOutcome {
  StepStatus status = StepStatus::kDone;
  std::exception_ptr error;  // set instead of `status`
  double milliseconds = 0;

  bool done() const noexcept { return !error && status == StepStatus::kDone; }
};

// An open model, as far as generations go. Implemented by each engine.
class SequenceModel {
 public:
  SequenceModel();
  SequenceModel(const SequenceModel&) = delete;
  SequenceModel& operator=(const SequenceModel&) = delete;
  virtual ~SequenceModel();

  // Any thread. What shares the steps among this model's generations.
  Scheduler& scheduler() { return *scheduler_; }

  // Any thread ------------------------------------------------------------------------------------

  // The one thread that touches the library's context.
  virtual SerialWorker& worker() = 0;
  // Whether the model is being closed: steps end soon, and no new ones begin.
  virtual bool aborted() const = 0;
  virtual std::int32_t vocabulary_size() const = 0;
  // Context of one sequence, in tokens.
  virtual std::int32_t context_tokens() const = 0;

  // Model's thread --------------------------------------------------------------------------------

  // Most tokens of one step, of all its sequences together; at least 1.
  virtual std::size_t step_tokens() const = 0;
  // Most sequences of one step; at least 1.
  virtual std::size_t step_sequences() const { return 1; }
  // Most rows of logits of one item; at least 1. More than one lets a generation guess tokens
  // ahead, which takes an engine that can cut a sequence back.
  virtual std::size_t step_logit_rows() const { return 1; }
  // How long steps stay with sequences of one group while those of another wait, in milliseconds:
  // going over to another group costs something.
  virtual double group_slice_ms() const { return 50; }
  // Computes a step: at least one item, no sequence twice, all of one group, within both limits.
  // All or nothing: on anything but kDone, and when it throws, each sequence is as it was before,
  // or empty where the engine cannot cut it back. kAborted once an item's flag is set or the model
  // is being closed; an engine that could not cut the other sequences back looks at the flags
  // before it begins alone.
  virtual StepStatus compute(std::span<const StepItem> items) = 0;
  // A row of an item of the latest step, of those that it wanted; good until the next step.
  virtual const float* logits(std::size_t item, std::size_t row) = 0;
  // What chooses the tokens of one generation; core's own chain by default. `history` is what is in
  // the sequence before the first choice.
  virtual std::unique_ptr<TokenSampler> make_sampler(const SamplingOptions& options,
                                                     std::span<const Token> history);
  // What guesses tokens ahead of one generation; by default it looks for where the text repeats
  // itself. `abort` ends a guess, and lives as long.
  virtual std::unique_ptr<Drafter> make_drafter(const AbortFlag& abort);
  // What steps with guessed tokens cost here.
  StepCosts& step_costs() { return step_costs_; }
  // What its tokens stand for; asked once, when a grammar is first used. By default what
  // `set_token_bytes` was told. Throws UNSUPPORTED where that is nothing.
  virtual TokenBytes token_bytes();

  // Tells that, where the engine's library has no tokenizer of its own; later ones are not used.
  void set_token_bytes(TokenBytes bytes) { token_bytes_ = std::move(bytes); }
  // The grammars that run over its vocabulary.
  Grammars& grammars();

 private:
  const std::unique_ptr<Scheduler> scheduler_;
  StepCosts step_costs_;
  std::optional<TokenBytes> token_bytes_;
  std::unique_ptr<Grammars> grammars_;
};

// One sequence: its part of the KV cache and the tokens in it. Implemented by each engine. All but
// what is marked otherwise runs on the model's thread.
class Sequence {
 public:
  Sequence() = default;
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  virtual ~Sequence() = default;

  // Any thread.
  virtual SequenceModel& model() = 0;

  // Tokens in the cache; any thread.
  std::int32_t token_count() const noexcept { return token_count_.load(std::memory_order_relaxed); }
  // The tokens in the cache, in order.
  const std::vector<Token>& tokens() const noexcept { return tokens_; }

  // Cuts the cache to its first `count` tokens, at most as many as there are, or to none where the
  // engine can only start over; returns how many are left.
  virtual std::int32_t truncate(std::int32_t count) = 0;
  // Replaces the cache by the first `count` tokens of another sequence of the same model, and
  // returns true; false, with the cache as it was, where the engine can only copy whole caches and
  // `source` has more tokens, or where that one has other adapters applied. It has as many tokens
  // at least. Engines that cannot copy keep this: it throws UNSUPPORTED.
  virtual bool copy_from(const Sequence& source, std::int32_t count);
  // Takes the tokens from `from` up to `to` out of the middle of the cache, and returns true;
  // false, with the cache as it was, where this model's cannot be moved. Engines that cannot keep
  // this: it throws UNSUPPORTED.
  virtual bool remove_tokens(std::int32_t from, std::int32_t to);
  // Has adapters applied to all that is computed from now on, none twice; none for an empty list.
  // Empties the cache where they are others than before: what is in it was computed with those.
  // Engines without adapters keep this: it throws UNSUPPORTED.
  virtual void set_adapters(std::vector<AdapterUse> uses);
  // Tells which sequences may share a step: those of the same number. It changes between steps
  // alone.
  virtual std::uintptr_t step_group() const noexcept { return 0; }
  // Empties the cache and gives the place back. The sequence is not used any more.
  virtual void release() = 0;

  // Handing the cache over. Engines that cannot keep these: they throw UNSUPPORTED.

  // Any thread; the same while the model is open. Throws UNSUPPORTED, with the reason, where this
  // model's cache cannot be handed over.
  virtual KvShape kv_shape() const;
  // Reads keys and values of the tokens from `from` to the end into memory of the caller; see
  // KvSpan. Throws ABORTED once `abort` is set.
  virtual void export_kv(std::int32_t from, KvSpan out, const AbortFlag& abort);
  // Appends tokens with their keys and values, converted by `convert_kv_rows` where `in` is of
  // another format. The caller has checked sizes, and that all fits the context. Throws
  // CONTEXT_FULL where a shared pool is full, ABORTED once `abort` is set; the cache is then as it
  // was.
  virtual void import_kv(const KvView& in, std::span<const Token> tokens, const AbortFlag& abort);

  // Logits that follow the last token of the cache, kept for a generation without tokens and for an
  // export. They are dropped as soon as the cache changes.

  // Any thread.
  bool has_kept_logits() const noexcept { return logits_kept_.load(std::memory_order_relaxed); }
  // One row of `vocabulary_size()`; only where there are any.
  std::span<const float> kept_logits() const noexcept { return kept_logits_; }
  void keep_logits(std::span<const float> row);

 protected:
  // To be called after each change of `tokens_`, once the cache really holds them.
  void publish() noexcept;

  std::vector<Token> tokens_;

 private:
  std::atomic<std::int32_t> token_count_{0};
  std::vector<float> kept_logits_;
  std::atomic<bool> logits_kept_{false};
};

}  // namespace mobillm
