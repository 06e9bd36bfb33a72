#include "processors.hpp"

#include <algorithm>
#include <thread>

#include "tvm_value.hpp"

#if defined(__linux__) || defined(__ANDROID__)
#include <sched.h>
#endif

namespace mobillm::mlc {

namespace {

// `kSpecifyThreadShareAllCore` of the runtime: no thread is bound to one processor.
constexpr std::int64_t kShareAllProcessors = -3;

}  // namespace

std::vector<int> allowed_processors() {
  std::vector<int> numbers;
#if defined(__linux__) || defined(__ANDROID__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) numbers.push_back(i);
    }
  }
#endif
  if (numbers.empty()) {
    const int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int i = 0; i < count; ++i) numbers.push_back(i);
  }
  return numbers;
}

void use_threads(int threads) {
  // Once a thread: its own affinity is among what the runtime sets, to the same processors.
  static thread_local const std::vector<int> processors = allowed_processors();
  std::vector<std::string> names;
  for (const int number : processors) names.push_back(std::to_string(number));
  const std::vector<Argument> arguments(names.begin(), names.end());
  const Value array = require_global("ffi.Array").call(arguments);
  require_global("runtime.config_threadpool")(kShareAllProcessors, threads, array);
}

}  // namespace mobillm::mlc
