// Generations over a made-up engine: what is the same for all of them.
#include "mobillm/generation.hpp"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.hpp"
#include "fake_engine.hpp"
#include "mobillm/error.hpp"

using mobillm::AbortFlag;
using mobillm::Finish;
using mobillm::GenerateSpec;
using mobillm::Token;
using mobillm::test::FakeModel;
using mobillm::test::FakeSequence;
using mobillm::test::kVocabulary;
using mobillm::test::Outcome;
using mobillm::test::Reader;
using mobillm::test::spec_of;

namespace {

// Runs a generation to its end, as a reader does.
Outcome run(const std::shared_ptr<FakeSequence>& sequence, std::vector<Token> prompt,
            mobillm::GenerateSpec spec) {
  return Reader(sequence, std::move(prompt), std::move(spec)).finish();
}

struct Fixture {
  FakeModel model;
  std::shared_ptr<FakeSequence> sequence = std::make_shared<FakeSequence>(model);
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
  CHECK((fixture.model.steps == std::vector<std::vector<std::size_t>>{{4}, {2}, {1}, {1}}));
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

GenerateSpec with_grammar(std::string grammar, std::int64_t max_tokens = 10) {
  GenerateSpec spec = spec_of(max_tokens);
  spec.grammar = std::move(grammar);
  return spec;
}

void a_grammar_decides_what_is_written_and_ends_it() {
  Fixture fixture;
  // Unbound, it writes d, g, m and so on.
  const Outcome outcome = run(fixture.sequence, {1, 1}, with_grammar("root ::= \"d\" [h-p] \"a\""));
  CHECK_EQUAL(outcome.tokens.size(), 3u);
  CHECK((outcome.tokens.front() == 3 && outcome.tokens.back() == 0));
  CHECK(outcome.finish == Finish::kGrammarEnd);
  CHECK_EQUAL(*outcome.rejected_tokens, 2);
  // The last token is not cached here either.
  CHECK_EQUAL(fixture.sequence->tokens().size(), 4u);
  CHECK(!run(fixture.sequence, {1}, spec_of(1)).rejected_tokens);
}

void one_that_is_whole_from_the_beginning_ends_without_a_token() {
  Fixture fixture;
  const Outcome outcome = run(fixture.sequence, {1, 1}, with_grammar("root ::= \"\""));
  CHECK(outcome.tokens.empty());
  CHECK(outcome.finish == Finish::kGrammarEnd);
}

void an_end_token_waits_until_the_grammar_can_end() {
  Fixture fixture;
  GenerateSpec spec = with_grammar("root ::= [e-p]{2} [e-p]*");
  spec.end_tokens = {3};
  // Its first wish, d, ends nothing yet.
  const Outcome outcome = run(fixture.sequence, {1, 1}, spec);
  CHECK(outcome.tokens.size() > 2);
  CHECK(outcome.tokens.front() != 3);
}

void an_answer_goes_on_in_its_grammar() {
  Fixture fixture;
  const std::string grammar = "root ::= \"d\" [g] \"ab\"";
  CHECK(
      (run(fixture.sequence, {1, 1}, with_grammar(grammar, 2)).tokens == std::vector<Token>{3, 6}));
  GenerateSpec spec = with_grammar(grammar);
  spec.grammar_tokens = 2;
  const Outcome outcome = run(fixture.sequence, {6}, spec);
  CHECK((outcome.tokens == std::vector<Token>{0, 1}));
  CHECK(outcome.finish == Finish::kGrammarEnd);
  // Two tokens that are no beginning.
  CHECK_THROWS(mobillm::Error, run(fixture.sequence, {5}, spec),
               CHECK_EQUAL(error.code(), std::string("INVALID_ARGUMENT")));
}

void a_grammar_that_is_not_valid_costs_no_step() {
  Fixture fixture;
  CHECK_THROWS(mobillm::Error, run(fixture.sequence, {1, 1}, with_grammar("root ::= \"d")),
               CHECK_EQUAL(error.code(), std::string("GRAMMAR_INVALID")));
  CHECK_EQUAL(fixture.sequence->computed, 0u);
}

void what_came_before_a_dead_end_is_read_first() {
  Fixture fixture;
  GenerateSpec spec = with_grammar("root ::= \"dg\" \"z\"");
  spec.credit_tokens = 10;
  Reader reader(fixture.sequence, {1, 1}, spec);
  while (!reader.generation().ended()) std::this_thread::yield();
  const auto batch = reader.next();
  CHECK((batch.tokens == std::vector<Token>{3, 6}));
  CHECK(!batch.finish);
  CHECK_THROWS(mobillm::Error, reader.next(),
               CHECK_EQUAL(error.code(), std::string("GRAMMAR_DEAD_END")));
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
  a_grammar_decides_what_is_written_and_ends_it();
  one_that_is_whole_from_the_beginning_ends_without_a_token();
  an_end_token_waits_until_the_grammar_can_end();
  an_answer_goes_on_in_its_grammar();
  a_grammar_that_is_not_valid_costs_no_step();
  what_came_before_a_dead_end_is_read_first();
}
