// How many layers of a model the memory of its devices holds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "memory_estimate.hpp"
#include "mobillm/error.hpp"
#include "offload.hpp"

namespace mobillm::llamacpp {

struct FittedOffload {
  Offload offload;  // never `kFit`
  MemoryEstimate estimate;
  // Of the draft model, where there is one.
  std::optional<MemoryEstimate> draft;

  // Of both models, by device.
  std::vector<DeviceMemory> devices() const;
};

// Decides `kFit` by having the library simulate it: the largest number of layers with which each
// device stays within its budget, or, where it has none, keeps a sixteenth of its free memory, 64
// MiB at least, for what a library takes on the side. Devices that do not tell their memory hold
// everything. Another offload is only estimated. What a draft model takes of a device is left to
// it. Throws as `estimate_memory` does.
FittedOffload fit_offload(const ModelFile& file, const ContextOptions& options,
                          const Offload& offload, const std::optional<ModelFile>& draft,
                          const AbortFlag& abort);

// The device's id as errors name it: empty for the CPU, whose memory is the machine's.
std::string device_beside_cpu(const std::string& id);

// Throws the error that is made of a row and the bytes that are free there, where that is less than
// what is needed.
void require_memory(
    const std::vector<DeviceMemory>& devices,
    const std::function<Error(const DeviceMemory& row, std::uint64_t free)>& out_of_memory);

}  // namespace mobillm::llamacpp
