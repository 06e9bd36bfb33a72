// What a model and its context take of the memory of each device.
#pragma once

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

#include "offload_report.hpp"

namespace mobillm::llamacpp {

// Bytes on one device. Memory of the machine that a GPU can reach counts as the CPU's.
struct DeviceMemory {
  std::string device{};  // id
  std::uint64_t weights = 0;
  std::uint64_t kv_cache = 0;
  std::uint64_t compute = 0;
  std::uint64_t output = 0;

  std::uint64_t total() const { return weights + kv_cache + compute + output; }
};

// One row a device that is used, but the buffer of the output, which the library does not tell
// here; the CPU's is the first. Of a context that is only simulated, what it would take.
std::vector<DeviceMemory> memory_by_device(const llama_context* context);

// Adds rows to those of the same devices.
void add_rows(std::vector<DeviceMemory>& sum, const std::vector<DeviceMemory>& rows);

// The same of what is only known as a whole: shared out by layers, but scratch memory, which each
// device needs, and the output, which is the CPU's.
std::vector<DeviceMemory> share_out(const DeviceMemory& whole, const LayersByDevice& layers);

// The row of a device; made where there is none.
DeviceMemory& row_of(std::vector<DeviceMemory>& rows, const std::string& device);

}  // namespace mobillm::llamacpp
