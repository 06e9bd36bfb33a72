// What llama.cpp can compute on: processors, graphics cards, accelerators, other machines.
#pragma once

#include <ggml-backend.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mobillm::llamacpp {

// Something that the library can compute on.
struct DeviceInfo {
  std::string id;                  // lower case: `cpu`, `vulkan0`, `rpc0`
  std::string kind;                // `cpu`, `gpu`, `npu`, `accelerator`
  std::string name;                // what people call it; of another machine, `host:port`
  std::string backend;             // as the library names it: `CPU`, `CUDA`, `RPC`
  std::uint64_t memory_total = 0;  // bytes; 0 where it cannot be asked
  // Bytes; empty where it cannot be asked, and 0 where nothing is left.
  std::optional<std::uint64_t> memory_free{};
  bool own_memory = false;  // whether what lies there takes none of this machine's memory
};

// What this machine has, those that weights are moved to first and the CPU behind them. Asks each
// for its memory, which a GPU may answer by making itself ready: tenths of a second at the first
// time.
std::vector<DeviceInfo> list_devices();

// What a device is, asked for its memory; of a server, over the network.
DeviceInfo device_info(ggml_backend_dev_t device);

// Id of a device: its name in the library in lower case.
std::string device_id(ggml_backend_dev_t device);

// The device of that id, those of servers included that were listed before; null when there is
// none.
ggml_backend_dev_t find_device(const std::string& id);

// The CPU.
ggml_backend_dev_t cpu_device();

// Bytes that its back end takes once it computes with a context, beside all that the library tells:
// CUDA's libraries with their work space. Without room for them the first step ends the process.
std::uint64_t untold_bytes(const std::string& id);

// Whether a model's layers can be moved to it: not where it is the CPU, or only helps it.
bool takes_layers(ggml_backend_dev_t device);

}  // namespace mobillm::llamacpp
