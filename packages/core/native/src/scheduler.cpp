#include "mobillm/scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "mobillm/error.hpp"
#include "mobillm/generation.hpp"

namespace mobillm {

namespace {

// How long prompts may hold up those that decode beside them, in milliseconds a step: a reader sees
// text come ten times a second still as flowing.
constexpr double kPrefillBesideDecodingMs = 100;
// A step is not cut to less than this many prompt tokens: below it, a step costs about the same.
constexpr std::size_t kLeastPrefillTokens = 8;
// Before the speed is known.
constexpr std::size_t kFirstPrefillTokens = 32;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace

// The job of one step. A worker that stops drops it unrun, and then it says so.
class Scheduler::Tick {
 public:
  explicit Tick(Scheduler& scheduler) : scheduler_(scheduler) {}
  Tick(const Tick&) = delete;
  Tick& operator=(const Tick&) = delete;
  ~Tick() {
    if (!ran_) scheduler_.abandon();
  }

  void run() {
    ran_ = true;
    scheduler_.step();
  }

 private:
  Scheduler& scheduler_;
  bool ran_ = false;
};

Scheduler::Scheduler(SequenceModel& model) : model_(model) {}

Scheduler::~Scheduler() = default;

void Scheduler::add(std::shared_ptr<Generation> generation) {
  {
    const std::lock_guard lock(mutex_);
    arrived_.push_back(std::move(generation));
    if (std::exchange(posted_, true)) return;
  }
  post();
}

void Scheduler::post() {
  // Shared, since a job can be copied. Where the worker has stopped, the tick is dropped at once.
  model_.worker().post([tick = std::make_shared<Tick>(*this)] { tick->run(); });
}

// Runs on the thread that stopped the worker, or that came too late to post: never beside a step.
void Scheduler::abandon() noexcept {
  std::vector<std::shared_ptr<Generation>> all(queue_.begin(), queue_.end());
  queue_.clear();
  {
    const std::lock_guard lock(mutex_);
    posted_ = false;
    all.insert(all.end(), arrived_.begin(), arrived_.end());
    arrived_.clear();
  }
  for (const auto& generation : all) generation->end_closed();
}

void Scheduler::step() noexcept {
  {
    const std::lock_guard lock(mutex_);
    queue_.insert(queue_.end(), std::make_move_iterator(arrived_.begin()),
                  std::make_move_iterator(arrived_.end()));
    arrived_.clear();
  }
  settle_without_step();
  if (!queue_.empty()) {
    compose();
    compute();
    chosen_.clear();
    items_.clear();
    counts_.clear();
  }
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty() && arrived_.empty()) {
      posted_ = false;
      return;
    }
  }
  post();
}

void Scheduler::settle_without_step() noexcept {
  std::erase_if(queue_, [](const auto& generation) { return !generation->settle(); });
}

void Scheduler::compose() {
  const std::size_t tokens = model_.step_tokens();
  const std::size_t sequences = std::min(model_.step_sequences(), tokens);
  choose_group();
  const auto takes_part = [this](const auto& generation) { return generation->group() == group_; };
  if (sequences == 1) {
    // There is no beside: they take turns.
    const auto& next = *std::ranges::find_if(queue_, takes_part);
    next->draft(queue_.size() == 1 ? tokens : 0);
    choose(next, std::min(next->pending().size(), tokens));
  } else {
    // However many decode, one prompt goes on, too.
    const bool prefills = std::ranges::any_of(queue_, [&](const auto& generation) {
      return takes_part(generation) && generation->prefilling();
    });
    const std::size_t kept = prefills ? 1 : 0;
    for (const auto& generation : queue_) {
      if (chosen_.size() == sequences - kept) break;
      if (!takes_part(generation) || generation->prefilling()) continue;
      generation->draft(queue_.size() == 1 ? tokens : 0);
      choose(generation, generation->pending().size());
    }
    // Those of another group that decode wait for this step, too.
    const bool decodes = std::ranges::any_of(
        queue_, [](const auto& generation) { return !generation->prefilling(); });
    const std::size_t limit =
        decodes ? std::min(tokens, chosen_.size() + prefill_beside_decoding()) : tokens;
    std::size_t used = 0;
    for (const StepItem& item : items_) used += item.tokens.size();
    for (const auto& generation : queue_) {
      if (chosen_.size() == sequences || used == limit) break;
      if (!takes_part(generation) || !generation->prefilling()) continue;
      const std::size_t count = std::min(generation->pending().size(), limit - used);
      choose(generation, count);
      used += count;
    }
  }
  // Who was served goes behind those who were not.
  std::erase_if(queue_, [this](const auto& generation) {
    return std::ranges::find(chosen_, generation) != chosen_.end();
  });
}

void Scheduler::choose_group() {
  const auto of_latest = [this](const auto& generation) { return generation->group() == group_; };
  if (std::ranges::any_of(queue_, of_latest) &&
      milliseconds_since(group_since_) < model_.group_slice_ms()) {
    return;
  }
  if (of_latest(queue_.front())) return;
  group_ = queue_.front()->group();
  group_since_ = std::chrono::steady_clock::now();
}

void Scheduler::choose(const std::shared_ptr<Generation>& generation, std::size_t tokens) {
  items_.push_back(generation->step_item(tokens));
  counts_.push_back(items_.back().sequence->token_count());
  chosen_.push_back(generation);
}

std::size_t Scheduler::prefill_beside_decoding() const noexcept {
  if (prefill_token_ms_ <= 0) return kFirstPrefillTokens;
  return std::max(kLeastPrefillTokens,
                  static_cast<std::size_t>(kPrefillBesideDecodingMs / prefill_token_ms_));
}

StepOutcome Scheduler::run(std::span<const StepItem> items) noexcept {
  const auto start = std::chrono::steady_clock::now();
  StepOutcome outcome;
  try {
    outcome.status = model_.compute(items);
  } catch (...) {
    outcome.error = std::current_exception();
  }
  outcome.milliseconds = milliseconds_since(start);
  return outcome;
}

void Scheduler::compute() noexcept {
  const StepOutcome outcome = run(items_);
  if (outcome.done()) {
    learn_speed(outcome.milliseconds);
    for (std::size_t i = 0; i < items_.size(); ++i) deliver(i, outcome, i);
  } else if (stopped_by_an_item(outcome)) {
    // Nothing was computed: the others go on with the next step, before which that one ends.
    for (std::size_t i = 0; i < items_.size(); ++i) end_if_lost_else_requeue(i);
  } else if (items_.size() == 1) {
    deliver(0, outcome, 0);
  } else {
    compute_singly();
  }
}

void Scheduler::compute_singly() noexcept {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (lost_tokens(i)) {
      end_if_lost_else_requeue(i);
      continue;
    }
    const StepOutcome outcome = run({&items_[i], 1});
    if (stopped_by_an_item(outcome)) {
      end_if_lost_else_requeue(i);
    } else {
      deliver(i, outcome, 0);
    }
  }
}

void Scheduler::deliver(std::size_t item, const StepOutcome& outcome, std::size_t row) noexcept {
  if (chosen_[item]->complete(items_[item], outcome, {model_, row})) {
    queue_.push_back(chosen_[item]);
  }
}

bool Scheduler::lost_tokens(std::size_t item) const noexcept {
  return items_[item].sequence->token_count() < counts_[item];
}

void Scheduler::end_if_lost_else_requeue(std::size_t item) noexcept {
  // Who aborted ends anyway, and may have an empty cache then.
  if (!lost_tokens(item) || chosen_[item]->aborted()) {
    queue_.push_back(chosen_[item]);
    return;
  }
  StepOutcome outcome;
  outcome.error = std::make_exception_ptr(
      Error(code::kNativeFailure,
            "A step that this sequence shared with others failed, and took its cache with it. Send "
            "the message again."));
  chosen_[item]->complete(items_[item], outcome, {model_, 0});
}

bool Scheduler::stopped_by_an_item(const StepOutcome& outcome) const noexcept {
  if (outcome.error || outcome.status != StepStatus::kAborted) return false;
  return model_.aborted() ||
         std::ranges::any_of(items_, [](const StepItem& item) { return item.abort->is_set(); });
}

void Scheduler::learn_speed(double milliseconds) noexcept {
  std::size_t tokens = 0;
  bool prefills = false;
  for (const StepItem& item : items_) {
    tokens += item.tokens.size();
    prefills = prefills || item.tokens.size() > 1;
  }
  // A few tokens cost what a single one costs, and tell nothing.
  if (!prefills || tokens < kLeastPrefillTokens) return;
  const double latest = milliseconds / static_cast<double>(tokens);
  prefill_token_ms_ = prefill_token_ms_ <= 0 ? latest : 0.7 * prefill_token_ms_ + 0.3 * latest;
}

}  // namespace mobillm
