// The processors that this process may use, and TVM's threads on them.
#pragma once

#include <string>
#include <vector>

namespace mobillm::mlc {

// Numbers of the logical processors that the calling thread may run on, ascending; at least one.
std::vector<int> allowed_processors();

// Makes TVM compute with `threads` threads, the calling one included, when it is called from this
// thread. The runtime keeps a pool for each thread that calls it, made at the first use; from then
// on its size is fixed, so it is made for all allowed processors, and those not used sleep. Without
// this call the runtime would read TVM_NUM_THREADS, and pin each thread to one processor, where
// several models would meet on the same ones.
void use_threads(int threads);

}  // namespace mobillm::mlc
