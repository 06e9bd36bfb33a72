#include "idle_worker.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace mobillm::llamacpp {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

void Activity::touch() noexcept { last_.store(Clock::now().time_since_epoch().count()); }

Clock::time_point Activity::resting_since() const noexcept {
  return busy() ? Clock::now() : Clock::time_point(Clock::duration(last_.load()));
}

Activity& Activity::of_process() {
  static Activity activity;
  return activity;
}

IdleWorker::IdleWorker(Activity& activity, Clock::duration rest,
                       std::function<bool(const IdleWorker&)> work)
    : activity_(activity), rest_(rest), work_(std::move(work)) {}

void IdleWorker::start() noexcept {
  const std::lock_guard lock(mutex_);
  if (started_ || stopping_.load()) return;
  started_ = true;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    // Measuring is nothing to fail for.
  }
}

void IdleWorker::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
  }
  wake_.notify_all();
  // Who comes second waits, too: what the work uses is about to go.
  const std::lock_guard joining(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

void IdleWorker::run() noexcept {
  while (wait_for_rest()) {
    // Two that measure at once would measure each other.
    if (!activity_.claimed_.exchange(true)) {
      const bool done = work_(*this);
      activity_.claimed_.store(false);
      if (done) return;
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, rest_, [this] { return stopping_.load(); })) return;
  }
}

bool IdleWorker::wait_for_rest() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stopping_.load()) return false;
    const Clock::time_point ready = activity_.resting_since() + rest_;
    if (Clock::now() >= ready && !activity_.busy()) return true;
    wake_.wait_until(lock, std::max(ready, Clock::now() + std::chrono::milliseconds(1)),
                     [this] { return stopping_.load(); });
  }
}

}  // namespace mobillm::llamacpp
