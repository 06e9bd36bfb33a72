// Work that waits until nobody computes, and makes way as soon as somebody does. Plain C++ that
// knows no library.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace mobillm::llamacpp {

// Who computes. One a process, since all its models share the processors; any thread.
class Activity {
 public:
  // Somebody computes while it lives.
  class Busy {
   public:
    explicit Busy(Activity& activity) : activity_(activity) {
      activity_.running_.fetch_add(1);
      activity_.touch();
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() {
      activity_.touch();
      activity_.running_.fetch_sub(1);
    }

   private:
    Activity& activity_;
  };

  bool busy() const noexcept { return running_.load() > 0; }
  // Since when nobody has computed; while somebody does, now.
  std::chrono::steady_clock::time_point resting_since() const noexcept;

  static Activity& of_process();

 private:
  friend class IdleWorker;

  void touch() noexcept;

  std::atomic<int> running_{0};
  std::atomic<std::int64_t> last_{0};  // in the clock's own unit
  std::atomic<bool> claimed_{false};   // by a worker that works
};

// A thread of its own that runs one piece of work while nobody computes. It begins when nobody has
// for some time, one worker at a time, and again from the start when it was interrupted.
class IdleWorker {
 public:
  // `work` returns whether it is done for good; it has to ask `interrupted` often, and then to end.
  // It must not throw.
  IdleWorker(Activity& activity, std::chrono::steady_clock::duration rest,
             std::function<bool(const IdleWorker&)> work);
  IdleWorker(const IdleWorker&) = delete;
  IdleWorker& operator=(const IdleWorker&) = delete;
  ~IdleWorker() { stop(); }

  // Starts the thread; more than once does nothing. Where the system has none to give, there is no
  // work.
  void start() noexcept;
  // Ends the work soon and joins the thread; nothing starts again. From any threads at once, but
  // not from the work itself.
  void stop() noexcept;

  // Any thread: whether the work is to end.
  bool interrupted() const noexcept { return stopping_.load() || activity_.busy(); }

 private:
  void run() noexcept;
  // Waits until nobody has computed for long enough; false when it is to stop.
  bool wait_for_rest();

  Activity& activity_;
  const std::chrono::steady_clock::duration rest_;
  const std::function<bool(const IdleWorker&)> work_;

  std::mutex mutex_;
  std::mutex join_mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  bool started_ = false;
  std::thread thread_;
};

}  // namespace mobillm::llamacpp
