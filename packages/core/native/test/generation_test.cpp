// Generations over a made-up engine: what is the same for all of them.
#include "mobillm/generation.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "mobillm/error.hpp"

using mobillm::AbortFlag;
using mobillm::Finish;
using mobillm::Generation;
using mobillm::GenerationBatch;
using mobillm::Sequence;
using mobillm::SequenceModel;
using mobillm::SerialWorker;
using mobillm::StepStatus;
using mobillm::Token;

namespace {

constexpr std::int32_t kVocabulary = 16;

class FakeModel final : public SequenceModel {
 public:
  SerialWorker& worker() override { return worker_; }
  bool aborted() const override { return false; }
  std::int32_t vocabulary_size() const override { return kVocabulary; }
  std::int32_t context_tokens() const override { return 12; }
  std::size_t step_tokens() const override { return 4; }

  // The row that all sequences share, as a library's context has one.
  std::vector<float> row = std::vector<float>(kVocabulary);

 private:
  SerialWorker worker_;
};

// The token after some others is their sum, plus 1, modulo the vocabulary.
class FakeSequence final : public Sequence {
 public:
  explicit FakeSequence(std::shared_ptr<FakeModel> model) : model_(std::move(model)) {}

  SequenceModel& model() override { return *model_; }
  StepStatus append(std::span<const Token> tokens, bool wants_logits,
                    const AbortFlag& abort) override {
    if (abort.is_set()) return StepStatus::kAborted;
    if (tokens_.size() + tokens.size() > room) return StepStatus::kNoRoom;
    computed += tokens.size();
    steps.push_back(tokens.size());
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    publish();
    if (wants_logits) write_logits();
    return StepStatus::kDone;
  }
  const float* logits() override { return model_->row.data(); }
  std::int32_t truncate(std::int32_t count) override {
    tokens_.resize(static_cast<std::size_t>(count));
    publish();
    return count;
  }
  void release() override { truncate(0); }

  std::size_t computed = 0;
  std::vector<std::size_t> steps;
  std::size_t room = 100;

 private:
  void write_logits() {
    Token sum = 1;
    for (const Token token : tokens_) sum += token;
    model_->row.assign(kVocabulary, 0.0f);
    model_->row[static_cast<std::size_t>(sum % kVocabulary)] = 5;
  }

  std::shared_ptr<FakeModel> model_;
};

struct Outcome {
  std::vector<Token> tokens;
  std::optional<Finish> finish;
};

// Runs a generation to its end, as a reader does.
Outcome run(const std::shared_ptr<FakeSequence>& sequence, std::vector<Token> prompt,
            mobillm::GenerateSpec spec) {
  std::mutex mutex;
  std::condition_variable wake;
  bool ready = false;
  const auto generation = std::make_shared<Generation>(sequence, std::move(prompt), spec, [&] {
    const std::lock_guard lock(mutex);
    ready = true;
    wake.notify_one();
  });
  generation->start();
  Outcome outcome;
  for (;;) {
    if (!generation->wait()) {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return ready; });
      ready = false;
    }
    GenerationBatch batch = generation->take();
    if (batch.error) std::rethrow_exception(batch.error);
    outcome.tokens.insert(outcome.tokens.end(), batch.tokens.begin(), batch.tokens.end());
    outcome.finish = batch.finish;
    if (batch.finish) return outcome;
  }
}

mobillm::GenerateSpec spec_of(std::int64_t max_tokens, bool keep_logits) {
  mobillm::GenerateSpec spec;
  spec.max_tokens = max_tokens;
  spec.keep_logits = keep_logits;
  spec.credit_tokens = 2;
  return spec;
}

struct Fixture {
  std::shared_ptr<FakeModel> model = std::make_shared<FakeModel>();
  std::shared_ptr<FakeSequence> sequence = std::make_shared<FakeSequence>(model);

  // A job may be the last to hold the model, and a thread cannot join itself.
  ~Fixture() { model->worker().stop(); }
};

std::vector<float> kept(const FakeSequence& sequence) {
  CHECK(sequence.has_kept_logits());
  const auto row = sequence.kept_logits();
  return {row.begin(), row.end()};
}

std::vector<float> row_of(Token best) {
  std::vector<float> row(kVocabulary, 0.0f);
  row[static_cast<std::size_t>(best)] = 5;
  return row;
}

void a_prompt_goes_in_steps_and_the_last_token_is_not_cached() {
  Fixture fixture;
  const Outcome outcome = run(fixture.sequence, {1, 1, 1, 1, 1, 1}, spec_of(3, false));
  CHECK((outcome.tokens == std::vector<Token>{7, 14, 12}));
  CHECK(outcome.finish == Finish::kMaxTokens);
  CHECK((fixture.sequence->steps == std::vector<std::size_t>{4, 2, 1, 1}));
  CHECK((fixture.sequence->tokens() == std::vector<Token>{1, 1, 1, 1, 1, 1, 7, 14}));
  CHECK(!fixture.sequence->has_kept_logits());
}

void what_only_prefills_keeps_the_logits_if_it_is_told() {
  Fixture fixture;
  CHECK(run(fixture.sequence, {1, 1}, spec_of(0, true)).finish == Finish::kMaxTokens);
  CHECK(kept(*fixture.sequence) == row_of(3));
  Fixture other;
  run(other.sequence, {1, 1}, spec_of(0, false));
  CHECK(!other.sequence->has_kept_logits());
}

void a_generation_without_tokens_samples_from_them_and_computes_nothing_again() {
  Fixture whole;
  const Outcome expected = run(whole.sequence, {1, 1}, spec_of(4, false));
  Fixture fixture;
  run(fixture.sequence, {1, 1}, spec_of(0, true));
  // Another sequence overwrites the row that they share.
  const auto other = std::make_shared<FakeSequence>(fixture.model);
  run(other, {5}, spec_of(1, false));
  CHECK_EQUAL(fixture.sequence->computed, 2u);
  const Outcome outcome = run(fixture.sequence, {}, spec_of(4, false));
  CHECK(outcome.tokens == expected.tokens);
  CHECK_EQUAL(fixture.sequence->computed, 5u);
  CHECK(!fixture.sequence->has_kept_logits());
}

void without_tokens_and_without_sampling_there_is_nothing_to_do() {
  Fixture fixture;
  run(fixture.sequence, {1, 1}, spec_of(0, true));
  const Outcome outcome = run(fixture.sequence, {}, spec_of(0, true));
  CHECK(outcome.finish == Finish::kMaxTokens);
  CHECK(outcome.tokens.empty());
  CHECK(kept(*fixture.sequence) == row_of(3));
}

void after_sampling_they_are_those_after_the_last_cached_token() {
  Fixture fixture;
  const Outcome outcome = run(fixture.sequence, {1, 1}, spec_of(2, true));
  CHECK((outcome.tokens == std::vector<Token>{3, 6}));
  // {1, 1, 3} is cached, and 6 came from the row that was kept.
  CHECK(kept(*fixture.sequence) == row_of(6));
  CHECK((run(fixture.sequence, {}, spec_of(1, false)).tokens == std::vector<Token>{6}));
}

void they_are_kept_where_a_full_context_ends_it() {
  Fixture fixture;
  fixture.sequence->room = 3;
  const Outcome outcome = run(fixture.sequence, {1, 1}, spec_of(10, true));
  CHECK(outcome.finish == Finish::kContextFull);
  CHECK((outcome.tokens == std::vector<Token>{3, 6}));
  CHECK(kept(*fixture.sequence) == row_of(6));
}

void they_go_when_the_cache_changes_and_only_then() {
  Fixture fixture;
  run(fixture.sequence, {1, 1, 1}, spec_of(0, true));
  fixture.sequence->truncate(3);
  CHECK(fixture.sequence->has_kept_logits());
  fixture.sequence->truncate(2);
  CHECK(!fixture.sequence->has_kept_logits());
  run(fixture.sequence, {1}, spec_of(0, true));
  run(fixture.sequence, {1}, spec_of(0, false));
  CHECK(!fixture.sequence->has_kept_logits());
}

void engines_without_a_hand_over_say_so() {
  Fixture fixture;
  CHECK_THROWS(mobillm::Error, fixture.sequence->kv_shape(),
               CHECK_EQUAL(error.code(), std::string("UNSUPPORTED")));
  CHECK_THROWS(mobillm::Error, fixture.sequence->export_kv(0, {}, AbortFlag()),
               CHECK_EQUAL(error.code(), std::string("UNSUPPORTED")));
  CHECK_THROWS(mobillm::Error, fixture.sequence->import_kv({}, {}, AbortFlag()),
               CHECK_EQUAL(error.code(), std::string("UNSUPPORTED")));
}

}  // namespace

int main() {
  a_prompt_goes_in_steps_and_the_last_token_is_not_cached();
  what_only_prefills_keeps_the_logits_if_it_is_told();
  a_generation_without_tokens_samples_from_them_and_computes_nothing_again();
  without_tokens_and_without_sampling_there_is_nothing_to_do();
  after_sampling_they_are_those_after_the_last_cached_token();
  they_are_kept_where_a_full_context_ends_it();
  they_go_when_the_cache_changes_and_only_then();
  engines_without_a_hand_over_say_so();
}
