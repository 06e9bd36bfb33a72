// Which processors a thread runs on.
#pragma once

#include "processors.hpp"

namespace mobillm::llamacpp {

enum class Affinity {
  kAuto,  // the fast cores, where the machine has slower ones, too
  kOff,   // wherever the system puts them
  kBig,   // the fast cores in any case
};

// Keeps the calling thread, and threads that it starts from then on, to these processors. Returns
// whether it was done: not where the system knows no such thing, or none of them may be used.
bool keep_thread_to(const ProcessorList& list) noexcept;

}  // namespace mobillm::llamacpp
