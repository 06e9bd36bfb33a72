#include "devices.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <mutex>
#include <string_view>

#include "mobillm/error.hpp"
#include "system_memory.hpp"

namespace mobillm::llamacpp {

namespace {

// Devices of servers, which are not in the library's own registry: there every model would see
// them.
struct RpcDevices {
  std::mutex mutex;
  std::vector<ggml_backend_dev_t> devices;
};

RpcDevices& rpc_devices() {
  static RpcDevices devices;
  return devices;
}

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

DeviceInfo info_of(ggml_backend_dev_t device) {
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

// An H100 took 80 to 234 MiB, most without flash attention.
constexpr std::uint64_t kUntoldByCuda = std::uint64_t{256} << 20;

// A function of the RPC back end, which may be a file of its own.
template <typename Function>
Function rpc_function(const char* name) {
  ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
  void* function = rpc == nullptr ? nullptr : ggml_backend_reg_get_proc_address(rpc, name);
  if (function == nullptr) {
    throw Error(code::kUnsupported,
                "This build of llama.cpp cannot compute on other machines. Build it with \"rpc\" "
                "among MOBILLM_BACKENDS.");
  }
  return reinterpret_cast<Function>(function);
}

}  // namespace

std::string device_id(ggml_backend_dev_t device) {
  std::string id = ggml_backend_dev_name(device);
  std::ranges::transform(
      id, id.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return id;
}

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    devices.push_back(info_of(ggml_backend_dev_get(i)));
  }
  std::ranges::stable_partition(devices, [](const DeviceInfo& device) {
    return device.kind == "gpu" || device.kind == "npu";
  });
  std::ranges::stable_partition(
      devices, [](const DeviceInfo& device) { return device.kind != "accelerator"; });
  return devices;
}

std::vector<DeviceInfo> list_rpc_devices(const std::string& endpoint) {
  using AddServer = ggml_backend_reg_t (*)(const char*);
  ggml_backend_reg_t server =
      rpc_function<AddServer>("ggml_backend_rpc_add_server")(endpoint.c_str());
  std::vector<DeviceInfo> devices;
  if (server == nullptr) return devices;
  const std::lock_guard lock(rpc_devices().mutex);
  for (std::size_t i = 0; i < ggml_backend_reg_dev_count(server); ++i) {
    ggml_backend_dev_t device = ggml_backend_reg_dev_get(server, i);
    auto& known = rpc_devices().devices;
    if (std::ranges::find(known, device) == known.end()) known.push_back(device);
    devices.push_back(info_of(device));
  }
  return devices;
}

bool serve_rpc(const std::string& endpoint, const std::vector<std::string>& devices, int threads) {
  using StartServer =
      void (*)(const char*, const char*, std::size_t, std::size_t, ggml_backend_dev_t*);
  std::vector<ggml_backend_dev_t> served;
  for (const std::string& id : devices) {
    ggml_backend_dev_t device = find_device(id);
    if (device == nullptr) {
      throw InvalidArgument(InvalidArgument::Kind::kRange, "devices",
                            "there is no device \"" + id + "\"");
    }
    served.push_back(device);
  }
  if (served.empty()) {
    for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
      if (takes_layers(ggml_backend_dev_get(i))) served.push_back(ggml_backend_dev_get(i));
    }
  }
  if (served.empty()) served.push_back(cpu_device());
  rpc_function<StartServer>("ggml_backend_rpc_start_server")(
      endpoint.c_str(), nullptr, static_cast<std::size_t>(threads), served.size(), served.data());
  return false;
}

ggml_backend_dev_t find_device(const std::string& id) {
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    if (device_id(device) == id) return device;
  }
  const std::lock_guard lock(rpc_devices().mutex);
  for (ggml_backend_dev_t device : rpc_devices().devices) {
    if (device_id(device) == id) return device;
  }
  return nullptr;
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
