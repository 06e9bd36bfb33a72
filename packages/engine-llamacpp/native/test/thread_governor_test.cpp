#include "thread_governor.hpp"

#include <vector>

#include "check.hpp"

using mobillm::llamacpp::ThreadGovernor;

namespace {

// A machine, and a clock that its steps move on.
struct Machine {
  double free_processors = 4;
  // Milliseconds of a step of one token with one thread.
  double work = 40;
  // What a step takes that waits for a thread without a processor, as a multiple.
  double collapse = 10;
  // Slows down everything alike, as heat does.
  double heat = 1;
  ThreadGovernor::TimePoint now{std::chrono::seconds(1)};

  double step_ms(int threads, std::size_t tokens) const {
    const double alone = work * heat * (1 + 0.2 * static_cast<double>(tokens - 1)) / threads;
    return threads > free_processors ? alone * collapse : alone;
  }

  // Runs so many steps, and returns how many threads each was computed with.
  std::vector<int> run(ThreadGovernor& governor, int steps, std::size_t tokens = 1) {
    std::vector<int> threads;
    for (int i = 0; i < steps; ++i) {
      threads.push_back(governor.threads());
      const double milliseconds = step_ms(governor.threads(), tokens);
      now += std::chrono::microseconds(static_cast<std::int64_t>(milliseconds * 1000));
      governor.step(tokens, milliseconds, now);
    }
    return threads;
  }

  // Runs for so long.
  void run_for(ThreadGovernor& governor, double seconds) {
    const auto end = now + std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
    while (now < end) run(governor, 1);
  }
};

void counts_go_down_to_one() {
  CHECK(ThreadGovernor::ladder(1) == std::vector<int>({1}));
  CHECK(ThreadGovernor::ladder(4) == std::vector<int>({4, 3, 2, 1}));
  CHECK(ThreadGovernor::ladder(16) == std::vector<int>({16, 12, 9, 6, 4, 3, 2, 1}));
}

void nothing_changes_while_nothing_happens() {
  Machine machine;
  ThreadGovernor governor(4, 4);
  machine.run_for(governor, 600);
  CHECK_EQUAL(governor.threads(), 4);
  CHECK(!governor.lowered());
}

void a_trial_that_cannot_be_judged_ends() {
  Machine machine;
  ThreadGovernor governor(4, 4);
  machine.run(governor, 100);
  machine.free_processors = 1;
  while (governor.threads() == 4) machine.run(governor, 1);
  // From now on every step is of a size that was never seen.
  machine.run(governor, 100, 4);
  CHECK_EQUAL(governor.threads(), 4);
}

void one_spike_changes_nothing() {
  Machine machine;
  ThreadGovernor governor(4, 4);
  for (int round = 0; round < 50; ++round) {
    machine.free_processors = 4;
    machine.run(governor, 6);
    machine.free_processors = 2;
    machine.run(governor, 2);
  }
  CHECK_EQUAL(governor.threads(), 4);
}

void steps_that_grow_longer_change_nothing() {
  Machine machine;
  ThreadGovernor governor(4, 4);
  for (int step = 0; step < 20000; ++step) {
    machine.work *= 1.0005;  // 20,000 tokens of context later: 22,000 times as much
    machine.run(governor, 1);
  }
  CHECK_EQUAL(governor.threads(), 4);
}

void contention_lowers_to_what_is_free() {
  for (const int free : {1, 2, 3}) {
    Machine machine;
    ThreadGovernor governor(4, 4);
    machine.run(governor, 20);
    machine.free_processors = free;
    // Eight steps to notice, and five for each count on the way down.
    machine.run(governor, 8 + 5 * (4 - free));
    CHECK_EQUAL(governor.threads(), free);
    CHECK(governor.lowered());
  }
}

void contention_lowers_steps_of_many_tokens_too() {
  Machine machine;
  ThreadGovernor governor(4, 4);
  machine.run(governor, 20, 3);
  machine.free_processors = 2;
  machine.run(governor, 30, 3);
  CHECK_EQUAL(governor.threads(), 2);
}

void threads_come_back_when_it_is_over() {
  Machine machine;
  ThreadGovernor governor(4, 4);
  machine.run(governor, 20);
  machine.free_processors = 1;
  machine.run_for(governor, 10);
  CHECK_EQUAL(governor.threads(), 1);
  machine.free_processors = 4;
  machine.run_for(governor, 200);
  CHECK_EQUAL(governor.threads(), 4);
  CHECK(!governor.lowered());
}

void trying_in_vain_costs_little() {
  Machine machine;
  ThreadGovernor governor(4, 4);
  machine.run(governor, 20);
  machine.free_processors = 2;
  machine.run(governor, 60);
  CHECK_EQUAL(governor.threads(), 2);
  // Ten minutes of contention: trials come after 5, 10, 20, 40, 80 and then 120 seconds, and each
  // ends after three steps.
  int slow_steps = 0;
  const auto end = machine.now + std::chrono::minutes(10);
  while (machine.now < end) {
    slow_steps += machine.run(governor, 1).front() > 2 ? 1 : 0;
  }
  CHECK(slow_steps > 0);
  CHECK(slow_steps <= 3 * 9);
  CHECK_EQUAL(governor.threads(), 2);
}

void a_hot_processor_keeps_its_threads() {
  Machine machine;
  ThreadGovernor governor(4, 4);
  machine.run(governor, 20);
  machine.heat = 3;
  machine.run(governor, 60);
  CHECK_EQUAL(governor.threads(), 4);
  CHECK(!governor.lowered());
}

void a_count_that_gains_nothing_is_not_taken() {
  // Two threads of one core: four threads are as fast as two.
  ThreadGovernor governor(2, 4);
  CHECK(governor.lowered());
  ThreadGovernor::TimePoint now{std::chrono::seconds(1)};
  for (int step = 0; step < 20000; ++step) {
    const double milliseconds = governor.threads() < 2 ? 20 : 10;
    now += std::chrono::milliseconds(10);
    governor.step(1, milliseconds, now);
  }
  CHECK_EQUAL(governor.threads(), 2);
}

void what_was_measured_is_held_to() {
  Machine machine;
  machine.free_processors = 8;
  ThreadGovernor governor(8, 8);
  machine.run(governor, 20);
  governor.restart(3, 3);
  machine.run_for(governor, 600);
  CHECK_EQUAL(governor.threads(), 3);
  CHECK(!governor.lowered());
}

void one_thread_is_never_changed() {
  ThreadGovernor governor(7, 0);
  CHECK_EQUAL(governor.limit(), 1);
  CHECK_EQUAL(governor.threads(), 1);
  CHECK_EQUAL(governor.step(1, 1e9, {}), 1);
}

void odd_times_do_no_harm() {
  ThreadGovernor governor(4, 4);
  ThreadGovernor::TimePoint now{};
  for (const double milliseconds : {0.0, -1.0, 1e300, 1e-300, 5.0}) {
    for (const std::size_t tokens : {std::size_t{0}, std::size_t{1}, std::size_t{4096}}) {
      now += std::chrono::milliseconds(1);
      const int threads = governor.step(tokens, milliseconds, now);
      CHECK(threads >= 1 && threads <= 4);
    }
  }
}

}  // namespace

int main() {
  counts_go_down_to_one();
  nothing_changes_while_nothing_happens();
  a_trial_that_cannot_be_judged_ends();
  one_spike_changes_nothing();
  steps_that_grow_longer_change_nothing();
  contention_lowers_to_what_is_free();
  contention_lowers_steps_of_many_tokens_too();
  threads_come_back_when_it_is_over();
  trying_in_vain_costs_little();
  a_hot_processor_keeps_its_threads();
  a_count_that_gains_nothing_is_not_taken();
  what_was_measured_is_held_to();
  one_thread_is_never_changed();
  odd_times_do_no_harm();
}
