#include "memory_by_device.hpp"

#include <llama-ext.h>

#include <algorithm>

#include "devices.hpp"

namespace mobillm::llamacpp {

std::vector<DeviceMemory> memory_by_device(const llama_context* context) {
  std::vector<DeviceMemory> rows;
  // The CPU has a row always, and the first.
  const std::string cpu = device_id(cpu_device());
  row_of(rows, cpu);
  for (const auto& [type, bytes] : llama_get_memory_breakdown(context)) {
    ggml_backend_dev_t device = ggml_backend_buft_get_device(type);
    const bool is_host = device == nullptr || ggml_backend_buft_is_host(type);
    DeviceMemory& row = row_of(rows, is_host ? cpu : device_id(device));
    row.weights += bytes.model;
    row.kv_cache += bytes.context;
    row.compute += bytes.compute;
  }
  return rows;
}

void add_rows(std::vector<DeviceMemory>& sum, const std::vector<DeviceMemory>& rows) {
  for (const DeviceMemory& row : rows) {
    DeviceMemory& own = row_of(sum, row.device);
    own.weights += row.weights;
    own.kv_cache += row.kv_cache;
    own.compute += row.compute;
    own.output += row.output;
  }
}

std::vector<DeviceMemory> share_out(const DeviceMemory& whole, const LayersByDevice& layers) {
  std::uint64_t all = 0;
  for (const auto& [device, count] : layers) all += static_cast<std::uint64_t>(count);
  const std::string cpu = device_id(cpu_device());
  std::vector<DeviceMemory> rows{{.device = cpu, .compute = whole.compute, .output = whole.output}};
  for (const auto& [device, count] : layers) {
    DeviceMemory& row = row_of(rows, device);
    row.weights = whole.weights * static_cast<std::uint64_t>(count) / all;
    row.kv_cache = whole.kv_cache * static_cast<std::uint64_t>(count) / all;
    row.compute = whole.compute;
  }
  return rows;
}

DeviceMemory& row_of(std::vector<DeviceMemory>& rows, const std::string& device) {
  const auto found = std::ranges::find(rows, device, &DeviceMemory::device);
  if (found != rows.end()) return *found;
  rows.push_back({.device = device});
  return rows.back();
}

}  // namespace mobillm::llamacpp
