#include "offload_fit.hpp"

#include <algorithm>
#include <optional>

#include "devices.hpp"
#include "open_error.hpp"
#include "system_memory.hpp"

namespace mobillm::llamacpp {

namespace {

// Free memory of a device; empty where it does not tell.
std::optional<std::uint64_t> free_bytes(const std::string& id) {
  ggml_backend_dev_t device = find_device(id);
  if (device == nullptr) return std::nullopt;
  if (device == cpu_device()) return available_memory_bytes();
  std::size_t free = 0;
  std::size_t total = 0;
  ggml_backend_dev_memory(device, &free, &total);
  if (total == 0) return std::nullopt;
  return free;
}

std::uint64_t less_reserve(std::uint64_t free) {
  const std::uint64_t reserve = std::max(free / 16, std::uint64_t{64} << 20);
  return free - std::min(free, reserve);
}

// Whether every device but the CPU holds its part and keeps its reserve.
bool fits(const MemoryEstimate& estimate) {
  const std::string cpu = device_id(cpu_device());
  return std::ranges::all_of(estimate.devices, [&](const DeviceMemory& row) {
    if (row.device == cpu) return true;
    const auto free = free_bytes(row.device);
    return !free || row.total() <= less_reserve(*free);
  });
}

}  // namespace

FittedOffload fit_offload(const ModelFile& file, const ContextOptions& options,
                          const Offload& offload, const AbortFlag& abort) {
  FittedOffload fitted{.offload = offload, .estimate = {}};
  const auto estimate = [&] {
    fitted.estimate = estimate_memory(file, options, fitted.offload, abort);
    return fits(fitted.estimate);
  };
  if (offload.layers != Offload::Layers::kFit || offload.is_cpu_only()) {
    estimate();
    return fitted;
  }
  fitted.offload.layers = Offload::Layers::kAll;
  if (estimate()) return fitted;
  fitted.offload.layers = Offload::Layers::kCount;
  // None always fits, all do not.
  std::uint32_t fitting = 0;
  std::uint32_t too_many = static_cast<std::uint32_t>(std::max(fitted.estimate.layers, 1));
  while (too_many - fitting > 1) {
    fitted.offload.count = fitting + (too_many - fitting) / 2;
    (estimate() ? fitting : too_many) = fitted.offload.count;
  }
  fitted.offload.count = fitting;
  estimate();
  return fitted;
}

void require_device_memory(const std::vector<DeviceMemory>& devices, std::uint32_t context_tokens) {
  for (const DeviceMemory& row : devices) {
    const auto free = free_bytes(row.device);
    if (free && row.total() > *free) {
      // The CPU has a row always.
      if (devices.size() == 1) throw out_of_memory(row.total(), *free, context_tokens);
      throw device_out_of_memory(row.device, row.total(), *free, context_tokens);
    }
  }
}

}  // namespace mobillm::llamacpp
