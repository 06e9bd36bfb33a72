// Devices as JavaScript sees them.
#pragma once

#include <napi.h>

#include <vector>

#include "devices.hpp"

namespace mobillm::llamacpp {

// [{ id, kind, name, backend, memoryTotalBytes?, memoryFreeBytes?, ownMemory? }]
Napi::Array device_rows(Napi::Env env, const std::vector<DeviceInfo>& devices);

}  // namespace mobillm::llamacpp
