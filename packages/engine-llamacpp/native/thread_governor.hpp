// How many threads decode, as the time of steps tells: fewer when others need the processors, more
// again later. Logic alone: it neither counts threads nor reads a clock.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace mobillm::llamacpp {

// A step waits for its slowest thread, so one thread without a processor of its own makes it many
// times slower. That is what it looks for: steps that suddenly take more than twice as long, five
// of eight in a row. It then goes down until steps are as fast as so many threads can be, or, where
// fewer threads do not help (a hot processor, memory that others read), takes the best that it saw.
// Some seconds later it tries more again for a few steps, and later each time that this was for
// nothing.
class ThreadGovernor {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Begins with `threads`, from 1 to `limit`.
  ThreadGovernor(int threads, int limit);

  // Takes how long a step of so many tokens took that prefilled nothing, and returns how many
  // threads are to compute the next one.
  int step(std::size_t tokens, double milliseconds, TimePoint now);

  // Begins anew with what was measured; both from 1.
  void restart(int threads, int limit);

  int threads() const { return threads_; }
  int limit() const { return limit_; }
  // Whether steps are computed with fewer threads than allowed.
  bool lowered() const { return threads_ < limit_; }

  // The counts that are tried, from `limit` down to 1.
  static std::vector<int> ladder(int limit);

 private:
  enum class Phase { kSteady, kLowering, kRaising };

  // Typical time of a step by its tokens, learned at one count of threads.
  class Typical {
   public:
    // The typical time; empty for what was never seen.
    std::optional<double> of(std::size_t tokens) const;
    void learn(std::size_t tokens, double milliseconds);

   private:
    static constexpr std::size_t kMostTokens = 16;
    std::array<double, kMostTokens> milliseconds_{};
    friend class ThreadGovernor;
  };

  struct Seen {
    int threads;
    double slowness;
  };

  void steady(std::size_t tokens, double milliseconds, TimePoint now);
  void lowering(double slowness, TimePoint now);
  void raising(double slowness, TimePoint now);
  void begin_lowering(TimePoint now);
  // Goes on with so many threads, whose typical times are learned anew.
  void settle(int threads, TimePoint now);
  void begin_trial(int threads);
  int fewer(int threads) const;
  int more(int threads) const;

  int threads_;
  int limit_;
  Phase phase_ = Phase::kSteady;
  // Of the count that was steady last: what others are compared with.
  Typical typical_;
  int typical_threads_;
  // Times of the latest steps as multiples of what is typical.
  std::vector<double> window_;
  std::size_t to_skip_ = 0;
  std::size_t unknown_ = 0;  // steps of a trial of a size whose typical time is not known
  std::vector<Seen> seen_;
  std::chrono::duration<double> quiet_;
  TimePoint raise_at_{};
  TimePoint raised_at_{};
};

}  // namespace mobillm::llamacpp
