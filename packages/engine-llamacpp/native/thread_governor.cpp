#include "thread_governor.hpp"

#include <algorithm>

namespace mobillm::llamacpp {

namespace {

using Seconds = std::chrono::duration<double>;

// A step that took so many times what is typical was held up.
constexpr double kSpike = 2;
constexpr std::size_t kWindow = 8;
constexpr std::size_t kSpikesToLower = 5;
// Steps that one count of threads is judged by; before them, those that its threads begin with.
constexpr std::size_t kTrialSteps = 4;
constexpr std::size_t kSkippedSteps = 1;
// How much slower than so many threads must be at worst a step may be for contention to be over.
constexpr double kGrace = 1.25;
// What another count has to gain to be taken.
constexpr double kGain = 0.97;
constexpr Seconds kFirstQuiet{5};
constexpr Seconds kMostQuiet{120};
// Contention this soon after a raise says that it is not over.
constexpr Seconds kSoon{30};
// How fast typical times rise with what steps take: attention costs more with every token, but
// never twice as much within some steps.
constexpr double kRise = 1.01;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

std::optional<double> ThreadGovernor::Typical::of(std::size_t tokens) const {
  if (tokens == 0 || tokens > kMostTokens || milliseconds_[tokens - 1] <= 0) return std::nullopt;
  return milliseconds_[tokens - 1];
}

void ThreadGovernor::Typical::learn(std::size_t tokens, double milliseconds) {
  if (tokens == 0 || tokens > kMostTokens || milliseconds <= 0) return;
  double& typical = milliseconds_[tokens - 1];
  if (typical <= 0) {
    typical = milliseconds;
  } else if (milliseconds < typical) {
    typical += 0.3 * (milliseconds - typical);
  } else {
    typical = std::min(milliseconds, typical * kRise);
  }
}

ThreadGovernor::ThreadGovernor(int threads, int limit)
    : threads_(1), limit_(1), typical_threads_(1), quiet_(kFirstQuiet) {
  restart(threads, limit);
}

void ThreadGovernor::restart(int threads, int limit) {
  limit_ = std::max(1, limit);
  threads_ = std::clamp(threads, 1, limit_);
  phase_ = Phase::kSteady;
  typical_ = {};
  typical_threads_ = threads_;
  window_.clear();
  seen_.clear();
  to_skip_ = 0;
  quiet_ = kFirstQuiet;
  raise_at_ = {};
  raised_at_ = {};
}

std::vector<int> ThreadGovernor::ladder(int limit) {
  std::vector<int> counts;
  for (int count = std::max(1, limit); count > 1; count = count <= 4 ? count - 1 : count * 3 / 4) {
    counts.push_back(count);
  }
  counts.push_back(1);
  return counts;
}

int ThreadGovernor::fewer(int threads) const {
  for (const int count : ladder(limit_)) {
    if (count < threads) return count;
  }
  return 1;
}

int ThreadGovernor::more(int threads) const {
  int next = limit_;
  for (const int count : ladder(limit_)) {
    if (count > threads) next = count;
  }
  return next;
}

int ThreadGovernor::step(std::size_t tokens, double milliseconds, TimePoint now) {
  if (limit_ == 1 || milliseconds <= 0) return threads_;
  if (phase_ == Phase::kSteady) {
    steady(tokens, milliseconds, now);
    return threads_;
  }
  const auto typical = typical_.of(tokens);
  if (!typical) {
    // Nothing to compare with: a trial that cannot be judged is ended, as if it had not been.
    if (++unknown_ >= kWindow) settle(typical_threads_, now);
    return threads_;
  }
  if (to_skip_ > 0) {
    --to_skip_;
    return threads_;
  }
  const double slowness = milliseconds / *typical;
  if (phase_ == Phase::kLowering) {
    lowering(slowness, now);
  } else {
    raising(slowness, now);
  }
  return threads_;
}

void ThreadGovernor::steady(std::size_t tokens, double milliseconds, TimePoint now) {
  const auto typical = typical_.of(tokens);
  typical_.learn(tokens, milliseconds);
  if (!typical) return;
  if (window_.size() == kWindow) window_.erase(window_.begin());
  window_.push_back(milliseconds / *typical);
  const auto spikes = static_cast<std::size_t>(
      std::ranges::count_if(window_, [](double slowness) { return slowness > kSpike; }));
  if (spikes >= kSpikesToLower && threads_ > 1) {
    begin_lowering(now);
  } else if (threads_ < limit_ && window_.size() == kWindow && spikes == 0) {
    // The first look at the clock begins the wait.
    if (raise_at_ == TimePoint{}) {
      raise_at_ = now + std::chrono::duration_cast<TimePoint::duration>(quiet_);
    } else if (now >= raise_at_) {
      phase_ = Phase::kRaising;
      begin_trial(more(threads_));
    }
  }
}

void ThreadGovernor::begin_lowering(TimePoint now) {
  if (raised_at_ != TimePoint{} && now - raised_at_ < kSoon) {
    quiet_ = std::min(2 * quiet_, kMostQuiet);
  } else {
    quiet_ = kFirstQuiet;
  }
  seen_ = {{threads_, median(window_)}};
  phase_ = Phase::kLowering;
  begin_trial(fewer(threads_));
}

void ThreadGovernor::begin_trial(int threads) {
  threads_ = threads;
  window_.clear();
  to_skip_ = kSkippedSteps;
  unknown_ = 0;
}

void ThreadGovernor::lowering(double slowness, TimePoint now) {
  window_.push_back(slowness);
  if (window_.size() < kTrialSteps) return;
  const double found = median(window_);
  seen_.push_back({threads_, found});
  // What so many threads take at most where each has a processor to itself.
  if (found <= kGrace * typical_threads_ / threads_) {
    settle(threads_, now);
  } else if (threads_ > 1) {
    begin_trial(fewer(threads_));
  } else {
    const Seen best = *std::ranges::min_element(
        seen_, [](const Seen& a, const Seen& b) { return a.slowness < b.slowness; });
    // The one that it came from, unless another one is worth it.
    const bool worth = best.slowness < kGain * seen_.front().slowness;
    const int threads = worth ? best.threads : seen_.front().threads;
    settle(threads, now);
  }
}

void ThreadGovernor::raising(double slowness, TimePoint now) {
  window_.push_back(slowness);
  const int before = typical_threads_;
  // Held up at once: no need to look further.
  const bool hopeless = window_.size() >= 2 && std::ranges::min(window_) > kSpike;
  if (!hopeless && window_.size() < kTrialSteps) return;
  if (!hopeless && median(window_) <= kGain) {
    raised_at_ = now;
    settle(threads_, now);
    return;
  }
  quiet_ = std::min(2 * quiet_, kMostQuiet);
  settle(before, now);
}

void ThreadGovernor::settle(int threads, TimePoint now) {
  threads_ = threads;
  typical_threads_ = threads;
  phase_ = Phase::kSteady;
  typical_ = {};
  window_.clear();
  seen_.clear();
  raise_at_ = now + std::chrono::duration_cast<TimePoint::duration>(quiet_);
}

}  // namespace mobillm::llamacpp
