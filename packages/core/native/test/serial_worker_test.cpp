#include "mobillm/serial_worker.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>

#include "check.hpp"

using mobillm::SerialWorker;

namespace {

// Waits until everything posted before has run.
void settle(SerialWorker& worker) {
  std::promise<void> done;
  CHECK(worker.post([&] { done.set_value(); }));
  done.get_future().wait();
}

void jobs_run_in_order_on_one_other_thread() {
  SerialWorker worker;
  std::string order;
  std::thread::id first;
  std::thread::id second;
  worker.post([&] {
    order += 'a';
    first = std::this_thread::get_id();
    CHECK(worker.on_worker());
  });
  worker.post([&] {
    order += 'b';
    second = std::this_thread::get_id();
  });
  settle(worker);
  CHECK_EQUAL(order, "ab");
  CHECK(first == second);
  CHECK(first != std::this_thread::get_id());
  CHECK(!worker.on_worker());
}

void jobs_that_repost_themselves_take_turns() {
  SerialWorker worker;
  std::string order;
  std::function<void(char, int)> step = [&](char name, int left) {
    order += name;
    if (left > 1) worker.post([&step, name, left] { step(name, left - 1); });
  };
  std::promise<void> both_posted;
  auto posted = both_posted.get_future();
  worker.post([&] { posted.wait(); });
  worker.post([&] { step('a', 3); });
  worker.post([&] { step('b', 3); });
  both_posted.set_value();
  settle(worker);  // behind the first steps, so each later step is behind this one …
  settle(worker);
  settle(worker);  // … and three rounds see all three
  CHECK_EQUAL(order, "ababab");
}

void stop_lets_the_running_job_end_and_drops_the_others() {
  SerialWorker worker;
  std::promise<void> started;
  std::promise<void> may_end;
  auto end = may_end.get_future();
  std::atomic<bool> ended = false;
  std::atomic<bool> other_ran = false;
  auto held = std::make_shared<int>(1);
  worker.post([&] {
    started.set_value();
    end.wait();
    ended = true;
  });
  worker.post([&, held] { other_ran = true; });
  started.get_future().wait();
  std::thread stopper([&] { worker.stop(); });
  // `stop` has begun once the worker refuses jobs.
  while (worker.post([] {})) std::this_thread::yield();
  may_end.set_value();
  stopper.join();
  CHECK(ended);
  CHECK(!other_ran);
  CHECK_EQUAL(held.use_count(), 1);  // dropped jobs are destroyed
  worker.stop();                     // may be called twice
  CHECK(!worker.post([] {}));
}

void a_job_is_destroyed_before_the_next_one_runs() {
  SerialWorker worker;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  worker.post([held = std::move(held)] {});
  bool gone = false;
  worker.post([&] { gone = watch.expired(); });
  settle(worker);
  CHECK(gone);
}

}  // namespace

int main() {
  jobs_run_in_order_on_one_other_thread();
  jobs_that_repost_themselves_take_turns();
  stop_lets_the_running_job_end_and_drops_the_others();
  a_job_is_destroyed_before_the_next_one_runs();
}
