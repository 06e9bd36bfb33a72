#include "device.hpp"

#include <array>
#include <utility>

#include "codes.hpp"

namespace mobillm::qnn {

namespace {

constexpr std::uint32_t kMostDevices = 64;
// Of a list of devices whose layout was measured.
constexpr std::uint32_t kPlatformVersion = 1;

struct Chip {
  std::uint32_t soc_model;
  std::uint32_t htp_arch;
};

// SM8350, SM8450, SM8475, SM8550, SM8650, SM8750, SM8850.
constexpr Chip kChips[] = {{30, 68}, {36, 69}, {42, 69}, {43, 73}, {57, 75}, {69, 79}, {87, 81}};

}  // namespace

Device::Device(std::shared_ptr<const Library> library, std::optional<std::uint32_t> soc_model)
    : library_(std::move(library)), log_(*library_), backend_(*library_), device_(*library_) {
  abi::Handle made = nullptr;
  library_->call("make its log", abi::kLogCreate, &receive_library_log, wanted_log_level(), &made);
  log_.adopt(std::exchange(made, nullptr));
  library_->call("start its back end", abi::kBackendCreate, log_.get(),
                 static_cast<const abi::Config* const*>(nullptr), &made);
  backend_.adopt(std::exchange(made, nullptr));
  abi::HtpDeviceConfig chip;
  chip.option = abi::kHtpDeviceSoc;
  chip.value_before_2_40 = chip.value = soc_model.value_or(0);
  const abi::Config config{0, &chip};
  const std::array<const abi::Config*, 2> configs{soc_model ? &config : nullptr, nullptr};
  library_->call(soc_model ? "set its device up for the chip " + std::to_string(*soc_model)
                           : std::string("set its device up"),
                 abi::kDeviceCreate, log_.get(), configs.data(), &made);
  device_.adopt(made);
}

bool is_emulated(const Library& library) {
#if defined(__x86_64__)
  return library.backend_id() == abi::kHtpBackend;
#else
  static_cast<void>(library);
  return false;
#endif
}

std::uint32_t htp_arch_of(std::uint32_t soc_model) {
  for (const Chip& chip : kChips) {
    if (chip.soc_model == soc_model) return chip.htp_arch;
  }
  return 0;
}

std::vector<DeviceInfo> list_devices(const Library& library) {
  const abi::PlatformInfo* platform = nullptr;
  std::vector<DeviceInfo> devices;
  try {
    library.call("tell what devices there are", abi::kDeviceGetPlatformInfo,
                 static_cast<abi::Handle>(nullptr), &platform);
  } catch (const Error& error) {
    if (error.code() == code::kUnsupported) return devices;
    throw;
  }
  if (platform == nullptr) return devices;
  const bool known = platform->version == kPlatformVersion && platform->devices != nullptr;
  const std::uint32_t count = known ? platform->device_count : 0;
  for (std::uint32_t i = 0; i < count && i < kMostDevices; ++i) {
    const abi::HardwareDevice& row = platform->devices[i];
    DeviceInfo device;
    device.id = row.id;
    if (const abi::HtpDeviceExtension* htp = row.extension) {
      device.target = {htp->soc_model, htp->arch};
      device.vtcm_mb = htp->vtcm_mb;
    }
    devices.push_back(device);
  }
  library.call_quietly(abi::kDeviceFreePlatformInfo, static_cast<abi::Handle>(nullptr), platform);
  return devices;
}

}  // namespace mobillm::qnn
