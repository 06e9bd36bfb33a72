// A made-up engine, for tests of what is the same for all of them: computes in no time, and keeps
// what it was asked.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"
#include "mobillm/generation.hpp"
#include "mobillm/sequence.hpp"

namespace mobillm::test {

inline constexpr std::int32_t kVocabulary = 16;

// The token after some others is their sum, plus 1, modulo the vocabulary.
class FakeSequence final : public Sequence {
 public:
  explicit FakeSequence(SequenceModel& model) : model_(model) {}

  SequenceModel& model() override { return model_; }
  std::int32_t truncate(std::int32_t count) override {
    tokens_.resize(static_cast<std::size_t>(count));
    publish();
    return count;
  }
  void release() override { truncate(0); }
  std::uintptr_t step_group() const noexcept override { return group; }

  void add(std::span<const Token> tokens) {
    computed += tokens.size();
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    publish();
  }
  // Those after each of the last so many tokens.
  std::vector<std::vector<float>> rows(std::size_t count) const {
    std::vector<std::vector<float>> rows;
    for (std::size_t end = tokens_.size() - count + 1; rows.size() < count; ++end) {
      Token sum = 1;
      for (const Token token : std::span(tokens_).first(end)) sum += token;
      rows.emplace_back(kVocabulary, 0.0f);
      rows.back()[static_cast<std::size_t>(sum % kVocabulary)] = 5;
    }
    return rows;
  }

  std::uintptr_t group = 0;
  std::size_t computed = 0;
  std::size_t room = 100;
  bool broken = false;  // whether a step with it throws

 private:
  SequenceModel& model_;
};

class FakeModel final : public SequenceModel {
 public:
  ~FakeModel() override { worker_.stop(); }

  SerialWorker& worker() override { return worker_; }
  bool aborted() const override { return closing.is_set(); }
  std::int32_t vocabulary_size() const override { return kVocabulary; }
  std::int32_t context_tokens() const override { return 100; }
  std::size_t step_tokens() const override { return tokens; }
  std::size_t step_sequences() const override { return sequences; }
  std::size_t step_logit_rows() const override { return logit_rows; }
  double group_slice_ms() const override { return slice_ms; }

  std::unique_ptr<Drafter> make_drafter(const AbortFlag& abort) override {
    return drafter ? drafter() : SequenceModel::make_drafter(abort);
  }

  StepStatus compute(std::span<const StepItem> items) override {
    CHECK(!items.empty() && items.size() <= sequences);
    std::size_t asked = 0;
    std::vector<std::size_t> counts;
    for (const StepItem& item : items) {
      CHECK_EQUAL(of(item).group, of(items.front()).group);
      asked += item.tokens.size();
      counts.push_back(item.tokens.size());
    }
    CHECK(asked <= tokens);
    if (before_step) before_step(items);
    bool fits = true;
    for (const StepItem& item : items) {
      if (item.abort->is_set() || closing.is_set()) return StepStatus::kAborted;
      const FakeSequence& sequence = of(item);
      if (sequence.broken) {
        // What an engine does that cannot cut the others back.
        if (empties_on_failure) {
          for (const StepItem& other : items) of(other).truncate(0);
        }
        throw Error(code::kNativeFailure, "A broken sequence.");
      }
      fits = fits && sequence.tokens().size() + item.tokens.size() <= sequence.room;
    }
    if (!fits) return StepStatus::kNoRoom;
    steps.push_back(std::move(counts));
    rows_.clear();
    for (const StepItem& item : items) {
      CHECK(item.logit_rows <= std::max(logit_rows, std::size_t{1}));
      of(item).add(item.tokens);
      rows_.push_back(of(item).rows(item.logit_rows));
    }
    return StepStatus::kDone;
  }

  const float* logits(std::size_t item, std::size_t row) override {
    return rows_.at(item).at(row).data();
  }

  // A letter each, from a.
  TokenBytes token_bytes() override {
    TokenBytes bytes;
    for (std::int32_t i = 0; i < kVocabulary; ++i) {
      const auto letter = static_cast<std::uint8_t>('a' + i);
      bytes.add({&letter, 1});
    }
    return bytes;
  }

  AbortFlag closing;
  std::size_t tokens = 4;
  std::size_t sequences = 1;
  std::size_t logit_rows = 1;
  double slice_ms = 0;
  bool empties_on_failure = false;
  std::function<std::unique_ptr<Drafter>()> drafter;
  std::function<void(std::span<const StepItem>)> before_step;  // on the model's thread
  std::vector<std::vector<std::size_t>> steps;                 // tokens by item

 private:
  static FakeSequence& of(const StepItem& item) {
    return static_cast<FakeSequence&>(*item.sequence);
  }

  std::vector<std::vector<std::vector<float>>> rows_;  // by item
  SerialWorker worker_;
};

inline GenerateSpec spec_of(std::int64_t max_tokens, bool keep_logits = false) {
  GenerateSpec spec;
  spec.max_tokens = max_tokens;
  spec.keep_logits = keep_logits;
  spec.credit_tokens = 2;
  return spec;
}

struct Outcome {
  std::vector<Token> tokens;
  std::optional<std::int64_t> rejected_tokens;
  std::optional<Finish> finish;
};

// A generation and whoever reads it.
class Reader {
 public:
  Reader(std::shared_ptr<FakeSequence> sequence, std::vector<Token> prompt, GenerateSpec spec)
      : generation_(std::make_shared<Generation>(std::move(sequence), std::move(prompt),
                                                 std::move(spec), [this] { wake(); })) {
    generation_->start();
  }

  Generation& generation() { return *generation_; }

  // Waits for the next batch, and throws its error.
  GenerationBatch next() {
    if (!generation_->wait()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ready_; });
      ready_ = false;
    }
    GenerationBatch batch = generation_->take();
    if (batch.error) std::rethrow_exception(batch.error);
    return batch;
  }

  // Reads to the end.
  Outcome finish() {
    Outcome outcome;
    while (!outcome.finish) {
      const GenerationBatch batch = next();
      outcome.tokens.insert(outcome.tokens.end(), batch.tokens.begin(), batch.tokens.end());
      outcome.rejected_tokens = batch.rejected_tokens;
      outcome.finish = batch.finish;
    }
    return outcome;
  }

 private:
  void wake() {
    const std::lock_guard lock(mutex_);
    ready_ = true;
    changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  std::shared_ptr<Generation> generation_;
};

}  // namespace mobillm::test
