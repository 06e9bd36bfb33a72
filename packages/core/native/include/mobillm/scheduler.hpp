// Shares a model's steps among its generations: those that decode come first, what is left of a
// step goes to those that prefill. What cannot share a step takes turns: groups of sequences with
// different adapters. Plain C++: no Node-API here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "mobillm/sequence.hpp"

namespace mobillm {

class Generation;

// One a model. A step is a job of the model's thread that posts itself again as long as there is
// work, so other jobs come in between two steps.
class Scheduler {
 public:
  explicit Scheduler(SequenceModel& model);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler();

  // Has a generation take part in the steps, until it ends or is out of credit. Any thread, and
  // once until then. When the model's thread has been stopped, the generation ends with CLOSED.
  void add(std::shared_ptr<Generation> generation);

 private:
  class Tick;

  // Posts the next step, with `arrived_` in it.
  void post();
  // What a job that was dropped would have done: ends all generations with CLOSED.
  void abandon() noexcept;

  // Model's thread --------------------------------------------------------------------------------

  void step() noexcept;
  // Ends what is aborted and begins what needs no step; what is left in the queue has tokens to
  // compute.
  void settle_without_step() noexcept;
  // Chooses who takes part in the next step, and with how many tokens.
  void compose();
  // Chooses whose group has the next step: for a slice of time that of the latest one, then that of
  // who was served longest ago.
  void choose_group();
  void choose(const std::shared_ptr<Generation>& generation, std::size_t tokens);
  // Most prompt tokens beside others that decode.
  std::size_t prefill_beside_decoding() const noexcept;
  void compute() noexcept;
  // One item after the other, when together they failed: so each has the outcome that is its own.
  void compute_singly() noexcept;
  StepOutcome run(std::span<const StepItem> items) noexcept;
  // Tells a generation what its item came to; `row` is the item's number in the step that ran.
  void deliver(std::size_t item, const StepOutcome& outcome, std::size_t row) noexcept;
  // Whether an item's sequence has lost tokens in a step that came to nothing: its engine could not
  // cut it back. It ends, since the rest of it would be computed from nothing.
  bool lost_tokens(std::size_t item) const noexcept;
  void end_if_lost_else_requeue(std::size_t item) noexcept;
  // Whether a step ended early because somebody aborted, so that the others only lost it.
  bool stopped_by_an_item(const StepOutcome& outcome) const noexcept;
  void learn_speed(double milliseconds) noexcept;

  SequenceModel& model_;

  // Any thread.
  std::mutex mutex_;
  std::vector<std::shared_ptr<Generation>> arrived_;
  bool posted_ = false;  // a step is posted or runs

  // Model's thread, and whoever stopped it.
  std::deque<std::shared_ptr<Generation>> queue_;  // who was served longest ago comes first
  std::vector<std::shared_ptr<Generation>> chosen_;
  std::vector<StepItem> items_;       // of `chosen_`
  std::vector<std::int32_t> counts_;  // tokens of each before the step
  double prefill_token_ms_ = 0;       // 0: not known yet
  std::uintptr_t group_ = 0;          // of the latest step
  std::chrono::steady_clock::time_point group_since_;
};

}  // namespace mobillm
