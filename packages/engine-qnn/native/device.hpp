// What a context needs around it: the library's log, its back end, and a device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "library.hpp"

namespace mobillm::qnn {

// An object of the library's, freed by the function in `slot`.
template <const auto& Slot>
class Owned {
 public:
  explicit Owned(const Library& library) : library_(&library) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { reset(); }

  abi::Handle get() const { return handle_; }
  // Takes what a call gave. Not before the call has succeeded: some write a handle and fail.
  void adopt(abi::Handle handle) { handle_ = handle; }
  void reset() {
    if (handle_ != nullptr) library_->call_quietly(Slot, handle_);
    handle_ = nullptr;
  }

 private:
  const Library* library_;
  abi::Handle handle_ = nullptr;
};

// A chip: Qualcomm's number of it (57 is SM8650) and its Hexagon version (75 is V75); 0 for what is
// not known.
struct Target {
  std::uint32_t soc_model = 0;
  std::uint32_t htp_arch = 0;
};

struct DeviceInfo {
  std::uint32_t id = 0;
  Target target;
  std::uint64_t vtcm_mb = 0;
};

// Log, back end and device, freed in the order that QNN asks for, and the library after them. Made
// and used on one thread.
class Device {
 public:
  // With `soc_model`, the device is set up as that chip: needed to compile for it, and for the
  // emulator to imitate it; without, the library takes what it finds. Throws UNSUPPORTED for a chip
  // that it does not know, ADDON_INCOMPATIBLE when it cannot reach its processor.
  Device(std::shared_ptr<const Library> library, std::optional<std::uint32_t> soc_model);

  const Library& library() const { return *library_; }
  abi::Handle backend() const { return backend_.get(); }
  abi::Handle handle() const { return device_.get(); }
  abi::Handle log() const { return log_.get(); }

 private:
  std::shared_ptr<const Library> library_;
  Owned<abi::kLogFree> log_;
  Owned<abi::kBackendFree> backend_;
  Owned<abi::kDeviceFree> device_;
};

// Whether the library computes on this processor, imitating a chip: what Qualcomm ships for x86
// does, and says nothing of it.
bool is_emulated(const Library& library);

// Hexagon version of a chip; 0 for one that is not known here.
std::uint32_t htp_arch_of(std::uint32_t soc_model);

// The devices that the platform has; empty where the library cannot tell.
std::vector<DeviceInfo> list_devices(const Library& library);

}  // namespace mobillm::qnn
