// A thread of an engine's own that runs jobs one after another. Plain C++: no Node-API here.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace mobillm {

// Runs jobs in the order they were posted, on one thread. Whoever owns a native library's context
// gives it one of these and touches the context from its jobs alone.
//
// A long task is a job that does one step and posts itself again: because it goes to the tail,
// tasks that do so take turns. Jobs must not throw; an exception that leaves one ends the process.
class SerialWorker {
 public:
  using Job = std::function<void()>;

  SerialWorker() : thread_([this] { run(); }) {}
  SerialWorker(const SerialWorker&) = delete;
  SerialWorker& operator=(const SerialWorker&) = delete;
  ~SerialWorker() { stop(); }

  // Adds a job at the tail; from any thread. Returns false, and drops the job, once `stop` has
  // begun.
  bool post(Job job) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return false;
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
    return true;
  }

  // Lets the running job end, drops those that wait, and joins the thread. May be called twice, and
  // from any thread but the worker's own. Whoever wants the running job to end soon sets the flag
  // that it polls first. Dropped jobs are destroyed on the calling thread.
  void stop() {
    std::deque<Job> dropped;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(jobs_);
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  // Whether the caller is one of this worker's jobs.
  bool on_worker() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  void run() noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      // What the job holds goes before the next one begins, and outside the lock.
      job = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: it starts when everything above stands
};

}  // namespace mobillm
