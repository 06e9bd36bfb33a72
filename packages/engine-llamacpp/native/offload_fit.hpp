// How many layers of a model the memory of its devices holds.
#pragma once

#include "memory_estimate.hpp"
#include "offload.hpp"

namespace mobillm::llamacpp {

struct FittedOffload {
  Offload offload;  // never `kFit`
  MemoryEstimate estimate;
};

// Decides `kFit` by having the library simulate it: the largest number of layers with which each
// device keeps a sixteenth of its free memory, 64 MiB at least, for what a library takes on the
// side. Devices that do not tell their memory hold everything. Another offload is only estimated.
// Throws as `estimate_memory` does.
FittedOffload fit_offload(const ModelFile& file, const ContextOptions& options,
                          const Offload& offload, const AbortFlag& abort);

// Throws OUT_OF_MEMORY where a device has less memory free than it needs.
void require_device_memory(const std::vector<DeviceMemory>& devices, std::uint32_t context_tokens);

}  // namespace mobillm::llamacpp
