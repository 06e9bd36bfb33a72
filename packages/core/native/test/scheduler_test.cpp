// How generations of one model share its steps, over a made-up engine.
#include "mobillm/scheduler.hpp"

#include <future>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "fake_engine.hpp"
#include "mobillm/error.hpp"

using mobillm::Finish;
using mobillm::StepItem;
using mobillm::Token;
using mobillm::test::FakeModel;
using mobillm::test::FakeSequence;
using mobillm::test::Outcome;
using mobillm::test::Reader;
using mobillm::test::spec_of;

namespace {

using Steps = std::vector<std::vector<std::size_t>>;

struct Fixture {
  explicit Fixture(std::size_t sequences = 4, std::size_t tokens = 8) {
    model.sequences = sequences;
    model.tokens = tokens;
  }

  std::shared_ptr<FakeSequence> sequence() { return std::make_shared<FakeSequence>(model); }

  std::unique_ptr<Reader> start(std::vector<Token> prompt, std::int64_t max_tokens,
                                std::size_t credit_tokens = 100) {
    return start_on(sequence(), std::move(prompt), max_tokens, credit_tokens);
  }
  std::unique_ptr<Reader> start_on(std::shared_ptr<FakeSequence> sequence,
                                   std::vector<Token> prompt, std::int64_t max_tokens,
                                   std::size_t credit_tokens = 100) {
    mobillm::GenerateSpec spec = spec_of(max_tokens);
    spec.credit_tokens = credit_tokens;
    return std::make_unique<Reader>(std::move(sequence), std::move(prompt), std::move(spec));
  }

  FakeModel model;
};

// Holds the model's thread, so that what is started meanwhile arrives at one step.
class Hold {
 public:
  explicit Hold(FakeModel& model) {
    model.worker().post([opened = open_.get_future().share()] { opened.wait(); });
  }
  ~Hold() { open_.set_value(); }

 private:
  std::promise<void> open_;
};

std::vector<Token> alone(std::vector<Token> prompt, std::int64_t max_tokens) {
  return Fixture().start(std::move(prompt), max_tokens)->finish().tokens;
}

void prompts_and_decoding_sequences_share_a_step() {
  Fixture fixture;
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> second;
  {
    const Hold hold(fixture.model);
    first = fixture.start({1, 2}, 3);
    second = fixture.start({3, 4, 5}, 3);
  }
  CHECK(first->finish().tokens == alone({1, 2}, 3));
  CHECK(second->finish().tokens == alone({3, 4, 5}, 3));
  CHECK((fixture.model.steps == Steps{{2, 3}, {1, 1}, {1, 1}}));
}

void those_that_decode_come_first_and_prompts_get_the_rest() {
  Fixture fixture(4, 4);
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> second;
  {
    const Hold hold(fixture.model);
    first = fixture.start({1}, 4);
    second = fixture.start({1, 1, 1, 1, 1, 1, 1, 1, 1}, 1);
  }
  first->finish();
  second->finish();
  CHECK((fixture.model.steps == Steps{{1, 3}, {1, 3}, {1, 3}, {1}}));
}

void a_long_prompt_does_not_stop_those_that_decode() {
  Fixture fixture(4, 512);
  std::unique_ptr<Reader> decoding;
  std::unique_ptr<Reader> prompt;
  int step = 0;
  fixture.model.before_step = [&](std::span<const StepItem>) {
    if (++step == 2) prompt = fixture.start(std::vector<Token>(90, 1), 1);
  };
  {
    const Hold hold(fixture.model);
    decoding = fixture.start({1}, 20);
  }
  CHECK(decoding->finish().tokens == alone({1}, 20));
  prompt->finish();
  // Nothing is known of the speed yet, and a little is computed beside: then as much as is quick.
  CHECK((fixture.model.steps[2] == std::vector<std::size_t>{1, 32}));
  CHECK((fixture.model.steps[3] == std::vector<std::size_t>{1, 58}));
}

void prompts_take_turns() {
  Fixture fixture(4, 4);
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> second;
  std::vector<std::size_t> lengths;
  fixture.model.before_step = [&](std::span<const StepItem> items) {
    for (const StepItem& item : items) lengths.push_back(item.sequence->tokens().size());
  };
  {
    const Hold hold(fixture.model);
    first = fixture.start(std::vector<Token>(8, 1), 1);
    second = fixture.start(std::vector<Token>(6, 1), 1);
  }
  first->finish();
  second->finish();
  // One step of the first, one of the second, and again.
  CHECK((lengths == std::vector<std::size_t>{0, 0, 4, 4}));
  CHECK((fixture.model.steps == Steps{{4}, {4}, {4}, {2}}));
}

void an_engine_of_one_sequence_a_step_serves_them_by_turns() {
  Fixture fixture(1, 4);
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> second;
  {
    const Hold hold(fixture.model);
    first = fixture.start({1}, 3);
    second = fixture.start({1, 1, 1, 1, 1}, 2);
  }
  CHECK(first->finish().tokens == alone({1}, 3));
  CHECK(second->finish().tokens == alone({1, 1, 1, 1, 1}, 2));
  CHECK((fixture.model.steps == Steps{{1}, {4}, {1}, {1}, {1}, {1}}));
}

void more_than_a_step_holds_are_all_served_and_a_prompt_among_them() {
  Fixture fixture(3, 8);
  std::vector<std::unique_ptr<Reader>> decoding;
  std::unique_ptr<Reader> prompt;
  {
    const Hold hold(fixture.model);
    for (Token token = 1; token <= 5; ++token) decoding.push_back(fixture.start({token}, 6));
    prompt = fixture.start(std::vector<Token>(10, 1), 1);
  }
  CHECK(prompt->finish().tokens == alone(std::vector<Token>(10, 1), 1));
  for (Token token = 1; token <= 5; ++token) {
    CHECK(decoding[static_cast<std::size_t>(token - 1)]->finish().tokens == alone({token}, 6));
  }
  // The prompt was not put off until one of the five had ended, which takes eight steps or more.
  const Steps& steps = fixture.model.steps;
  std::size_t served = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(steps[i].size() > 1);
    for (const std::size_t tokens : steps[i]) served += tokens > 1 ? tokens : 0;
  }
  CHECK(served >= 9);
}

// Which group had which step.
std::vector<std::uintptr_t> groups_of(std::span<const std::uintptr_t> groups, double slice_ms,
                                      std::int64_t max_tokens) {
  Fixture fixture(4, 8);
  fixture.model.slice_ms = slice_ms;
  std::vector<std::uintptr_t> steps;
  fixture.model.before_step = [&](std::span<const StepItem> items) {
    steps.push_back(items.front().sequence->step_group());
  };
  std::vector<std::unique_ptr<Reader>> readers;
  {
    const Hold hold(fixture.model);
    Token first = 0;
    for (const std::uintptr_t group : groups) {
      const auto sequence = fixture.sequence();
      sequence->group = group;
      readers.push_back(fixture.start_on(sequence, {++first, 2}, max_tokens));
    }
  }
  Token first = 0;
  for (const auto& reader : readers) {
    CHECK(reader->finish().tokens == alone({++first, 2}, max_tokens));
  }
  return steps;
}

void groups_share_no_step_and_take_turns() {
  using Groups = std::vector<std::uintptr_t>;
  // One has as many turns as two of the other have together.
  CHECK((groups_of(Groups{7, 9, 7}, 0, 3) == Groups{7, 9, 7, 9, 7, 9}));
  CHECK((groups_of(Groups{1, 2, 3}, 0, 2) == Groups{1, 2, 3, 1, 2, 3}));
}

void a_group_keeps_its_steps_for_a_slice() {
  using Groups = std::vector<std::uintptr_t>;
  const double forever = std::numeric_limits<double>::infinity();
  // Nobody has had a step before: the group of those that have no adapters counts as the latest.
  CHECK((groups_of(Groups{7, 0, 7}, forever, 3) == Groups{0, 0, 0, 7, 7, 7}));
}

void a_prompt_does_not_stop_those_that_decode_in_another_group() {
  Fixture fixture(4, 512);
  const auto other = fixture.sequence();
  other->group = 5;
  std::unique_ptr<Reader> decoding;
  std::unique_ptr<Reader> prompt;
  int step = 0;
  fixture.model.before_step = [&](std::span<const StepItem>) {
    if (++step == 2) prompt = fixture.start_on(other, std::vector<Token>(90, 1), 1);
  };
  {
    const Hold hold(fixture.model);
    decoding = fixture.start({1}, 20);
  }
  CHECK(decoding->finish().tokens == alone({1}, 20));
  prompt->finish();
  CHECK((fixture.model.steps[2] == std::vector<std::size_t>{32}) ||
        (fixture.model.steps[3] == std::vector<std::size_t>{32}));
}

void aborting_one_disturbs_no_other() {
  Fixture fixture;
  std::unique_ptr<Reader> aborted;
  std::unique_ptr<Reader> other;
  int step = 0;
  fixture.model.before_step = [&](std::span<const StepItem>) {
    if (++step == 3) aborted->generation().abort();
  };
  {
    const Hold hold(fixture.model);
    aborted = fixture.start({1, 2}, 50);
    other = fixture.start({3, 4, 5}, 6);
  }
  CHECK(other->finish().tokens == alone({3, 4, 5}, 6));
  const Outcome outcome = aborted->finish();
  CHECK(outcome.finish == Finish::kAborted);
  CHECK_EQUAL(outcome.tokens.size(), 2u);
}

void a_full_cache_ends_only_whose_it_is() {
  Fixture fixture;
  const auto full = fixture.sequence();
  full->room = 3;
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> other;
  {
    const Hold hold(fixture.model);
    first = fixture.start_on(full, {1, 2}, 50);
    other = fixture.start({3, 4, 5}, 6);
  }
  CHECK(other->finish().tokens == alone({3, 4, 5}, 6));
  const Outcome outcome = first->finish();
  CHECK(outcome.finish == Finish::kContextFull);
  CHECK(outcome.tokens == alone({1, 2}, 2));
}

void a_failure_ends_only_whose_it_is() {
  Fixture fixture;
  const auto broken = fixture.sequence();
  broken->broken = true;
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> other;
  {
    const Hold hold(fixture.model);
    first = fixture.start_on(broken, {1, 2}, 5);
    other = fixture.start({3, 4, 5}, 6);
  }
  CHECK(other->finish().tokens == alone({3, 4, 5}, 6));
  CHECK_THROWS(mobillm::Error, first->finish(),
               CHECK_EQUAL(error.code(), std::string("NATIVE_FAILURE")));
  CHECK(first->generation().ended());
}

void who_loses_its_cache_to_a_failure_of_another_ends() {
  Fixture fixture;
  fixture.model.empties_on_failure = true;
  const auto broken = fixture.sequence();
  const auto lost = fixture.sequence();
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> other;
  int step = 0;
  fixture.model.before_step = [&](std::span<const StepItem>) {
    if (++step == 3) broken->broken = true;
  };
  {
    const Hold hold(fixture.model);
    first = fixture.start_on(broken, {1, 2}, 50);
    other = fixture.start_on(lost, {3, 4, 5}, 50);
  }
  const auto is_failed = [](Reader& reader) {
    CHECK_THROWS(mobillm::Error, reader.finish(),
                 CHECK_EQUAL(error.code(), std::string("NATIVE_FAILURE")));
  };
  is_failed(*other);
  is_failed(*first);
  // Nothing was computed on what is left of it.
  CHECK(lost->tokens().empty());
}

void who_is_out_of_credit_takes_no_part_until_read() {
  Fixture fixture;
  const auto parked = fixture.sequence();
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> other;
  {
    const Hold hold(fixture.model);
    first = fixture.start_on(parked, {1, 2}, 6, 2);
    other = fixture.start({3, 4, 5}, 9);
  }
  other->finish();
  CHECK_EQUAL(parked->tokens().size(), 3u);
  CHECK(first->finish().tokens == alone({1, 2}, 6));
}

void an_abort_ends_who_is_parked() {
  Fixture fixture;
  const auto reader = fixture.start({1, 2}, 50, 2);
  fixture.start({3}, 9)->finish();
  reader->generation().abort();
  CHECK(reader->finish().finish == Finish::kAborted);
}

void a_model_that_closes_ends_all() {
  Fixture fixture;
  std::unique_ptr<Reader> first;
  std::unique_ptr<Reader> other;
  int step = 0;
  fixture.model.before_step = [&](std::span<const StepItem>) {
    if (++step == 2) fixture.model.closing.set();
  };
  {
    const Hold hold(fixture.model);
    first = fixture.start({1, 2}, 50);
    other = fixture.start({3, 4, 5}, 50);
  }
  CHECK(first->finish().finish == Finish::kAborted);
  CHECK(other->finish().finish == Finish::kAborted);
  CHECK(fixture.start({1}, 1)->finish().finish == Finish::kAborted);
}

void a_thread_that_stops_leaves_nobody_waiting() {
  Fixture fixture;
  std::unique_ptr<Reader> waiting;
  std::thread stopping;
  {
    const Hold hold(fixture.model);
    waiting = fixture.start({1, 2}, 50);
    CHECK(!waiting->generation().wait());
    stopping = std::thread([&] { fixture.model.worker().stop(); });
    // The step is posted behind the hold, and dropped as soon as the thread begins to stop.
    while (fixture.model.worker().post([] {})) std::this_thread::yield();
  }
  stopping.join();
  const auto is_closed = [](Reader& reader) {
    CHECK_THROWS(mobillm::Error, reader.finish(), CHECK_EQUAL(error.code(), std::string("CLOSED")));
    CHECK(reader.generation().ended());
  };
  is_closed(*waiting);
  is_closed(*fixture.start({1}, 1));
}

}  // namespace

int main() {
  prompts_and_decoding_sequences_share_a_step();
  those_that_decode_come_first_and_prompts_get_the_rest();
  a_long_prompt_does_not_stop_those_that_decode();
  prompts_take_turns();
  an_engine_of_one_sequence_a_step_serves_them_by_turns();
  more_than_a_step_holds_are_all_served_and_a_prompt_among_them();
  groups_share_no_step_and_take_turns();
  a_group_keeps_its_steps_for_a_slice();
  a_prompt_does_not_stop_those_that_decode_in_another_group();
  aborting_one_disturbs_no_other();
  a_full_cache_ends_only_whose_it_is();
  a_failure_ends_only_whose_it_is();
  who_loses_its_cache_to_a_failure_of_another_ends();
  who_is_out_of_credit_takes_no_part_until_read();
  an_abort_ends_who_is_parked();
  a_model_that_closes_ends_all();
  a_thread_that_stops_leaves_nobody_waiting();
}
