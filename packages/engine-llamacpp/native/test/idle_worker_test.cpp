#include "idle_worker.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "check.hpp"

using mobillm::llamacpp::Activity;
using mobillm::llamacpp::IdleWorker;

namespace {

using namespace std::chrono_literals;

// Steps that threads wait for each other with.
class Steps {
 public:
  void reach(int step) {
    {
      const std::lock_guard lock(mutex_);
      step_ = step;
    }
    changed_.notify_all();
  }
  void wait_for(int step) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return step_ >= step; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int step_ = 0;
};

void work_begins_only_when_it_is_started() {
  Activity activity;
  std::atomic<int> runs{0};
  {
    IdleWorker worker(activity, 0ms, [&](const IdleWorker&) { return ++runs > 0; });
  }
  CHECK_EQUAL(runs.load(), 0);
}

void work_that_is_done_runs_once() {
  Activity activity;
  Steps steps;
  std::atomic<int> runs{0};
  IdleWorker worker(activity, 1ms, [&](const IdleWorker&) {
    ++runs;
    steps.reach(1);
    return true;
  });
  worker.start();
  worker.start();
  steps.wait_for(1);
  worker.stop();
  worker.stop();
  worker.start();
  CHECK_EQUAL(runs.load(), 1);
}

void nothing_runs_while_somebody_computes() {
  Activity activity;
  Steps steps;
  std::atomic<bool> computing{true};
  auto busy = std::make_unique<Activity::Busy>(activity);
  IdleWorker worker(activity, 0ms, [&](const IdleWorker&) {
    CHECK(!computing);
    steps.reach(1);
    return true;
  });
  worker.start();
  // Enough looks for one that did not wait to begin.
  for (int i = 0; i < 200; ++i) std::this_thread::yield();
  computing = false;
  busy.reset();
  steps.wait_for(1);
}

void whoever_computes_interrupts_it_and_it_begins_again() {
  Activity activity;
  Steps steps;
  int runs = 0;
  IdleWorker worker(activity, 1ms, [&](const IdleWorker& self) {
    if (++runs == 1) {
      CHECK(!self.interrupted());
      steps.reach(1);
      while (!self.interrupted()) std::this_thread::yield();
      steps.reach(2);
      return false;
    }
    steps.reach(3);
    return true;
  });
  worker.start();
  steps.wait_for(1);
  {
    const Activity::Busy busy(activity);
    steps.wait_for(2);
  }
  steps.wait_for(3);
  worker.stop();
  CHECK_EQUAL(runs, 2);
}

void stopping_interrupts_it() {
  Activity activity;
  Steps steps;
  IdleWorker worker(activity, 0ms, [&](const IdleWorker& self) {
    steps.reach(1);
    while (!self.interrupted()) std::this_thread::yield();
    return false;
  });
  worker.start();
  steps.wait_for(1);
  worker.stop();  // would hang otherwise
}

void whoever_stops_it_waits_until_it_has_ended() {
  for (int round = 0; round < 50; ++round) {
    Activity activity;
    Steps steps;
    std::atomic<bool> ended{false};
    IdleWorker worker(activity, 0ms, [&](const IdleWorker& self) {
      steps.reach(1);
      while (!self.interrupted()) std::this_thread::yield();
      ended = true;
      return false;
    });
    worker.start();
    steps.wait_for(1);
    std::thread other([&] {
      worker.stop();
      CHECK(ended);
    });
    worker.stop();
    CHECK(ended);
    other.join();
  }
}

void stopping_does_not_wait_for_rest() {
  Activity activity;
  const Activity::Busy busy(activity);
  IdleWorker worker(activity, 1h, [](const IdleWorker&) { return true; });
  worker.start();
  worker.stop();  // would take an hour otherwise
}

void two_never_work_at_once() {
  Activity activity;
  Steps first_done;
  Steps second_done;
  std::atomic<int> at_once{0};
  const auto work = [&](Steps& done) {
    return [&](const IdleWorker&) {
      CHECK_EQUAL(++at_once, 1);
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();
      --at_once;
      done.reach(1);
      return true;
    };
  };
  IdleWorker first(activity, 0ms, work(first_done));
  IdleWorker second(activity, 0ms, work(second_done));
  first.start();
  second.start();
  first_done.wait_for(1);
  second_done.wait_for(1);
}

}  // namespace

int main() {
  work_begins_only_when_it_is_started();
  work_that_is_done_runs_once();
  nothing_runs_while_somebody_computes();
  whoever_computes_interrupts_it_and_it_begins_again();
  stopping_interrupts_it();
  whoever_stops_it_waits_until_it_has_ended();
  stopping_does_not_wait_for_rest();
  two_never_work_at_once();
}
