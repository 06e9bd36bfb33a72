#include "offload_fit.hpp"

#include <algorithm>
#include <optional>

#include "devices.hpp"
#include "draft_model.hpp"
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

// What a device may hold; empty where anything goes.
std::optional<std::uint64_t> budget_of(const Offload& offload, const std::string& device) {
  const auto found = std::ranges::find(offload.devices, device);
  const auto index = static_cast<std::size_t>(found - offload.devices.begin());
  if (index < offload.budgets.size() && offload.budgets[index]) return offload.budgets[index];
  const auto free = free_bytes(device);
  if (!free) return std::nullopt;
  return less_reserve(*free);
}

// Whether every device but the CPU holds its part.
bool fits(const FittedOffload& fitted) {
  const std::string cpu = device_id(cpu_device());
  return std::ranges::all_of(fitted.devices(), [&](const DeviceMemory& row) {
    if (row.device == cpu) return true;
    const auto budget = budget_of(fitted.offload, row.device);
    return !budget || row.total() <= *budget;
  });
}

}  // namespace

std::vector<DeviceMemory> FittedOffload::devices() const {
  std::vector<DeviceMemory> rows = estimate.devices;
  if (draft) add_rows(rows, draft->devices);
  return rows;
}

FittedOffload fit_offload(const ModelFile& file, const ContextOptions& options,
                          const Offload& offload, const std::optional<ModelFile>& draft,
                          const AbortFlag& abort) {
  FittedOffload fitted{.offload = offload, .estimate = {}, .draft = {}};
  const auto estimate_draft = [&] {
    if (!draft) return;
    fitted.draft =
        estimate_memory(*draft, draft_context(options), draft_offload(fitted.offload), abort);
  };
  const auto estimate = [&] {
    fitted.estimate = estimate_memory(file, options, fitted.offload, abort);
    return fits(fitted);
  };
  estimate_draft();
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
  // It stays with its large model.
  if (fitting == 0) estimate_draft();
  estimate();
  return fitted;
}

std::string device_beside_cpu(const std::string& id) {
  return id == device_id(cpu_device()) ? "" : id;
}

void require_memory(
    const std::vector<DeviceMemory>& devices,
    const std::function<Error(const DeviceMemory& row, std::uint64_t free)>& out_of_memory) {
  for (const DeviceMemory& row : devices) {
    const auto free = free_bytes(row.device);
    if (free && row.total() > *free) throw out_of_memory(row, *free);
  }
}

}  // namespace mobillm::llamacpp
