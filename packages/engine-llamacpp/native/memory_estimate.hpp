// The memory that a model and its context will take, found before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checked_file.hpp"
#include "context_options.hpp"
#include "memory_by_device.hpp"
#include "mobillm/abort_flag.hpp"
#include "offload.hpp"

namespace mobillm::llamacpp {

// A model file and what its header says.
struct ModelFile {
  CheckedFile file;
  std::string architecture;
  std::uint32_t vocabulary_size = 0;
  // Query heads of a layer; 0 where it does not say one number for all.
  std::uint32_t attention_heads = 0;
};

struct MemoryEstimate {
  std::uint64_t weights = 0;
  std::uint64_t kv_cache = 0;
  std::uint64_t compute = 0;
  std::uint64_t output = 0;
  // Whether the library itself simulated all of it; otherwise a part comes from a formula.
  bool exact = false;
  // The same by device, the CPU first.
  std::vector<DeviceMemory> devices;
  // Layers of the model.
  std::int32_t layers = 0;
  LayersByDevice layers_by_device;

  std::uint64_t total() const { return weights + kv_cache + compute + output; }
};

// Has the library go through loading a model and making its context without allocating either.
// The vocabulary, which would take most of the time, is not read. Throws as `open` does, but
// OUT_OF_MEMORY; ABORTED when the flag is set. An offload that is to be fitted counts as all
// layers.
MemoryEstimate estimate_memory(const ModelFile& file, const ContextOptions& options,
                               const Offload& offload, const AbortFlag& abort);

}  // namespace mobillm::llamacpp
