#include "rpc.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include "mobillm/error.hpp"

namespace mobillm::llamacpp {

namespace {

// How soon somebody who aborts is heard.
constexpr std::chrono::milliseconds kAskAbortEvery{10};

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

// Connects, and waits for each answer as long as it takes.
std::vector<DeviceInfo> connect_and_list(const std::string& endpoint) {
  using AddServer = ggml_backend_reg_t (*)(const char*);
  ggml_backend_reg_t server =
      rpc_function<AddServer>("ggml_backend_rpc_add_server")(endpoint.c_str());
  std::vector<DeviceInfo> devices;
  if (server == nullptr) return devices;
  for (std::size_t i = 0; i < ggml_backend_reg_dev_count(server); ++i) {
    ggml_backend_dev_t device = ggml_backend_reg_dev_get(server, i);
    // Asks the server, and so not under the lock, which other models' opening takes.
    devices.push_back(device_info(device));
    const std::lock_guard lock(rpc_devices().mutex);
    auto& known = rpc_devices().devices;
    if (std::ranges::find(known, device) == known.end()) known.push_back(device);
  }
  return devices;
}

// What a thread that may be left behind shares with whoever waits for it.
struct Listing {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  std::vector<DeviceInfo> devices;
  std::exception_ptr failure;
};

// Keeps this code in memory until the process ends: a worker thread's environment unloads the addon
// when it goes, and a thread that was left behind returns into it.
void keep_loaded() {
#ifdef _WIN32
  HMODULE self = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCWSTR>(&keep_loaded), &self);
#else
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&keep_loaded), &self) != 0) {
    // Never closed.
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  }
#endif
}

Error no_answer(const std::string& endpoint) {
  return {code::kIoFailed,
          "The RPC server at " + endpoint +
              " answered a first time and no more, and llama.cpp goes on waiting for it. End this "
              "process, see to it that the server has no other client, and start anew.",
          {{"endpoint", endpoint}}};
}

}  // namespace

std::vector<DeviceInfo> list_rpc_devices(const std::string& endpoint,
                                         std::chrono::milliseconds limit, const AbortFlag& abort) {
  if (abort.is_set()) throw Error(code::kAborted, "Listing devices was aborted.");
  const auto listing = std::make_shared<Listing>();
  keep_loaded();
  std::thread([listing, endpoint] {
    std::vector<DeviceInfo> devices;
    std::exception_ptr failure;
    try {
      devices = connect_and_list(endpoint);
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(listing->mutex);
    listing->devices = std::move(devices);
    listing->failure = failure;
    listing->done = true;
    listing->ended.notify_one();
  }).detach();

  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::unique_lock lock(listing->mutex);
  while (!listing->ended.wait_for(lock, kAskAbortEvery, [&] { return listing->done; })) {
    if (abort.is_set()) throw Error(code::kAborted, "Listing devices was aborted.");
    if (std::chrono::steady_clock::now() >= deadline) throw no_answer(endpoint);
  }
  if (listing->failure) std::rethrow_exception(listing->failure);
  return std::move(listing->devices);
}

ggml_backend_dev_t find_rpc_device(const std::string& id) {
  const std::lock_guard lock(rpc_devices().mutex);
  for (ggml_backend_dev_t device : rpc_devices().devices) {
    if (device_id(device) == id) return device;
  }
  return nullptr;
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

}  // namespace mobillm::llamacpp
