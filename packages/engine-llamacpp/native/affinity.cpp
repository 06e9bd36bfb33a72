#include "affinity.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

namespace mobillm::llamacpp {

bool keep_thread_to([[maybe_unused]] const ProcessorList& list) noexcept {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int processor : list) {
    if (processor < CPU_SETSIZE) CPU_SET(static_cast<std::size_t>(processor), &set);
  }
  return sched_setaffinity(0, sizeof(set), &set) == 0;
#else
  return false;
#endif
}

}  // namespace mobillm::llamacpp
