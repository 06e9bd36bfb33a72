// How the JavaScript thread tells a long native call to stop.
#pragma once

#include <atomic>
#include <memory>

namespace mobillm {

// Set once, from any thread; polled by whoever works. Shared between the two by `AbortFlagPtr`.
class AbortFlag {
 public:
  void set() noexcept { set_.store(true, std::memory_order_relaxed); }
  bool is_set() const noexcept { return set_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> set_{false};
};

using AbortFlagPtr = std::shared_ptr<AbortFlag>;

}  // namespace mobillm
