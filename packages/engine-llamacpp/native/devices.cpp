#include "devices.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "rpc.hpp"
#include "system_memory.hpp"

namespace mobillm::llamacpp {

namespace {

std::string backend_name(ggml_backend_dev_t device) {
  return ggml_backend_reg_name(ggml_backend_dev_backend_reg(device));
}

std::string kind_of(ggml_backend_dev_t device) {
  // The library counts Qualcomm's NPU among the GPUs.
  if (backend_name(device) == "HTP") return "npu";
  switch (ggml_backend_dev_type(device)) {
    case GGML_BACKEND_DEVICE_TYPE_CPU:
      return "cpu";
    case GGML_BACKEND_DEVICE_TYPE_ACCEL:
      return "accelerator";
    default:
      return "gpu";
  }
}

// Integrated GPUs have a type of their own, but for those of Metal and OpenCL.
bool has_own_memory(ggml_backend_dev_t device) {
  static constexpr std::array<std::string_view, 3> kDiscrete{"CUDA", "Vulkan", "RPC"};
  return ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_GPU &&
         std::ranges::find(kDiscrete, backend_name(device)) != kDiscrete.end();
}

// An H100 took 80 to 234 MiB, most without flash attention.
constexpr std::uint64_t kUntoldByCuda = std::uint64_t{256} << 20;

}  // namespace

std::string device_id(ggml_backend_dev_t device) {
  std::string id = ggml_backend_dev_name(device);
  std::ranges::transform(
      id, id.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return id;
}

DeviceInfo device_info(ggml_backend_dev_t device) {
  DeviceInfo info{.id = device_id(device),
                  .kind = kind_of(device),
                  .name = ggml_backend_dev_description(device),
                  .backend = backend_name(device)};
  if (info.kind == "accelerator") return info;
  std::size_t free = 0;
  std::size_t total = 0;
  ggml_backend_dev_memory(device, &free, &total);
  info.memory_total = total;
  // Of the CPU it says that all is free.
  if (info.kind == "cpu") {
    info.memory_free = available_memory_bytes();
  } else if (total > 0) {
    info.memory_free = free;
  }
  info.own_memory = has_own_memory(device);
  return info;
}

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    devices.push_back(device_info(ggml_backend_dev_get(i)));
  }
  std::ranges::stable_partition(devices, [](const DeviceInfo& device) {
    return device.kind == "gpu" || device.kind == "npu";
  });
  std::ranges::stable_partition(
      devices, [](const DeviceInfo& device) { return device.kind != "accelerator"; });
  return devices;
}

ggml_backend_dev_t find_device(const std::string& id) {
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    if (device_id(device) == id) return device;
  }
  return find_rpc_device(id);
}

ggml_backend_dev_t cpu_device() { return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU); }

std::uint64_t untold_bytes(const std::string& id) {
  ggml_backend_dev_t device = find_device(id);
  return device != nullptr && backend_name(device) == "CUDA" ? kUntoldByCuda : 0;
}

bool takes_layers(ggml_backend_dev_t device) {
  const auto type = ggml_backend_dev_type(device);
  return type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
}

}  // namespace mobillm::llamacpp
