// Generations that guess ahead say what they would have said without.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "check.hpp"
#include "fake_engine.hpp"
#include "mobillm/generation.hpp"

using mobillm::Drafter;
using mobillm::Finish;
using mobillm::GenerateSpec;
using mobillm::GenerationBatch;
using mobillm::Speculation;
using mobillm::Token;
using mobillm::test::FakeModel;
using mobillm::test::FakeSequence;
using mobillm::test::kVocabulary;
using mobillm::test::Reader;
using mobillm::test::spec_of;

namespace {

constexpr std::size_t kRows = 9;

// Guesses what comes, and now and then something else.
class Oracle final : public Drafter {
 public:
  Oracle(double right, bool cheap, unsigned seed) : right_(right), cheap_(cheap), random_(seed) {}

  bool is_cheap() const override { return cheap_; }
  std::span<const Token> guess(std::span<const Token> tokens, std::size_t most) override {
    guess_.clear();
    Token sum = 1;
    for (const Token token : tokens) sum += token;
    while (guess_.size() < most) {
      Token next = sum % kVocabulary;
      if (std::uniform_real_distribution<>()(random_) > right_) next = (next + 3) % kVocabulary;
      guess_.push_back(next);
      sum += next;
    }
    return guess_;
  }

 private:
  double right_;
  bool cheap_;
  std::mt19937 random_;
  std::vector<Token> guess_;
};

struct Said {
  std::vector<Token> tokens;
  std::optional<Finish> finish;
  std::vector<Token> cached;
  std::vector<float> kept;
  mobillm::DraftCounts drafts;
  std::size_t steps = 0;
  std::size_t most_ahead = 0;
};

Said say(FakeModel& model, const std::vector<Token>& prompt, GenerateSpec spec,
         std::size_t room = 100) {
  const auto sequence = std::make_shared<FakeSequence>(model);
  sequence->room = room;
  Said said;
  const std::size_t before = model.steps.size();
  {
    Reader reader(sequence, prompt, std::move(spec));
    while (!said.finish) {
      const GenerationBatch batch = reader.next();
      said.tokens.insert(said.tokens.end(), batch.tokens.begin(), batch.tokens.end());
      said.most_ahead = std::max(said.most_ahead, batch.tokens.size());
      said.finish = batch.finish;
      if (batch.drafts) said.drafts = *batch.drafts;
    }
  }
  said.cached = sequence->tokens();
  if (sequence->has_kept_logits()) {
    said.kept.assign(sequence->kept_logits().begin(), sequence->kept_logits().end());
  }
  said.steps = model.steps.size() - before;
  return said;
}

GenerateSpec guessing(GenerateSpec spec, Speculation speculation) {
  spec.speculation = speculation;
  return spec;
}

void check_same(const Said& guessed, const Said& plain) {
  CHECK(guessed.tokens == plain.tokens);
  CHECK(guessed.finish == plain.finish);
  CHECK(guessed.cached == plain.cached);
  CHECK(guessed.kept == plain.kept);
}

void a_step_takes_all_guesses_along_that_are_right() {
  FakeModel model;
  model.tokens = 16;
  model.logit_rows = kRows;
  model.drafter = [] { return std::make_unique<Oracle>(1, true, 1); };
  GenerateSpec spec = spec_of(20);
  spec.credit_tokens = 64;
  const Said plain = say(model, {1, 2}, spec);
  const Said guessed = say(model, {1, 2}, guessing(spec, Speculation::kAlways));
  check_same(guessed, plain);
  CHECK_EQUAL(plain.steps, 20u);
  // The prompt, then nine tokens a step, then the last one.
  CHECK_EQUAL(guessed.steps, 4u);
  CHECK_EQUAL(guessed.drafts.drafted, guessed.drafts.accepted);
  CHECK_EQUAL(plain.drafts.drafted, 0);
}

void an_engine_with_one_row_a_step_guesses_nothing() {
  FakeModel model;
  const Said guessed = say(model, {1, 2}, guessing(spec_of(9), Speculation::kAlways));
  CHECK_EQUAL(guessed.drafts.drafted, 0);
  CHECK_EQUAL(guessed.steps, 9u);
}

void it_ends_where_it_would_have_ended() {
  FakeModel model;
  model.tokens = 16;
  model.logit_rows = kRows;
  unsigned seed = 0;
  for (const double right : {1.0, 0.7, 0.0}) {
    model.drafter = [&] { return std::make_unique<Oracle>(right, true, ++seed); };
    for (std::int64_t most = 1; most < 24; ++most) {
      for (const std::size_t credit : {1u, 3u, 64u}) {
        GenerateSpec spec = spec_of(most, most % 2 == 0);
        spec.credit_tokens = credit;
        // Of the tokens 7, 14, 12, … it ends at 12; or nowhere, but where there is no room.
        if (most % 3 == 0) spec.end_tokens = {12};
        const std::size_t room = most % 5 == 0 ? 12 : 100;
        const std::vector<Token> prompt{1, 1, 1, 1, 1, 1};
        const Said plain = say(model, prompt, spec, room);
        const Said guessed = say(model, prompt, guessing(spec, Speculation::kAlways), room);
        check_same(guessed, plain);
        CHECK(guessed.most_ahead <= credit);
        CHECK(guessed.drafts.accepted <= guessed.drafts.drafted);
      }
    }
  }
}

void it_ends_at_the_context() {
  FakeModel model;
  model.tokens = 16;
  model.logit_rows = kRows;
  GenerateSpec spec = spec_of(1000);
  spec.credit_tokens = 64;
  const Said plain = say(model, {3, 1}, spec);
  CHECK(plain.finish == Finish::kContextFull);
  check_same(say(model, {3, 1}, guessing(spec, Speculation::kAlways)), plain);
}

// The made-up engine computes in no time, so a longer step costs no more than a short one.
void it_finds_out_whether_that_pays(bool cheap) {
  FakeModel model;
  model.tokens = 16;
  model.logit_rows = kRows;
  model.drafter = [cheap] { return std::make_unique<Oracle>(1, cheap, 1); };
  GenerateSpec spec = spec_of(90);
  spec.credit_tokens = 64;
  check_same(say(model, {1, 2}, guessing(spec, Speculation::kAuto)), say(model, {1, 2}, spec));
}

void others_beside_it_have_the_step_to_themselves() {
  FakeModel model;
  model.tokens = 32;
  model.sequences = 2;
  model.logit_rows = kRows;
  model.drafter = [] { return std::make_unique<Oracle>(1, true, 1); };
  const GenerateSpec spec = guessing(spec_of(30), Speculation::kAlways);
  const auto one = std::make_shared<FakeSequence>(model);
  const auto other = std::make_shared<FakeSequence>(model);
  model.before_step = [](std::span<const mobillm::StepItem> items) {
    if (items.size() < 2) return;
    for (const auto& item : items) CHECK(item.tokens.size() == 1 || item.logit_rows <= 1);
  };
  Reader first(one, {1, 2}, spec);
  Reader second(other, {5}, spec);
  const auto said = first.finish().tokens;
  CHECK(second.finish().tokens.size() == 30);
  model.before_step = nullptr;
  CHECK(said == say(model, {1, 2}, spec_of(30)).tokens);
}

}  // namespace

int main() {
  a_step_takes_all_guesses_along_that_are_right();
  an_engine_with_one_row_a_step_guesses_nothing();
  it_ends_where_it_would_have_ended();
  it_ends_at_the_context();
  it_finds_out_whether_that_pays(true);
  it_finds_out_whether_that_pays(false);
  others_beside_it_have_the_step_to_themselves();
}
