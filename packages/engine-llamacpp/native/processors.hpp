// Which of the machine's processors this process may compute on, and which of those are fast.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mobillm::llamacpp {

// Numbers of logical processors, ascending.
using ProcessorList = std::vector<int>;

// The processors that this process may use, by its affinity.
struct Processors {
  ProcessorList allowed;  // empty where the system does not tell
  // Those of the fast cores, all threads of each; as `allowed` where it holds slow ones alone.
  ProcessorList fast;
  // Physical cores that `fast` lies on. At least 1.
  int fast_cores = 1;
  // Whether the machine has slower cores than the fast ones.
  bool mixed = false;
};

// Reads Linux's files; elsewhere the system is asked for numbers alone. Below `root`, where it is
// not empty, the same files lie for another machine, with its affinity in /proc/self/status.
Processors read_processors(const std::string& root = "");

// The first of those alone, for the calling thread; empty where the system does not tell.
ProcessorList allowed_processor_list();

// A list such as `0-3,6` in Linux's files; empty where it is none.
ProcessorList parse_processor_list(std::string_view text);

// The same list from numbers, to be read by people and to tell machines apart.
std::string format_processor_list(const ProcessorList& list);

}  // namespace mobillm::llamacpp
