// Memory by device, for JavaScript.
#pragma once

#include <napi.h>

#include <vector>

#include "memory_by_device.hpp"

namespace mobillm::llamacpp {

// `NativeDeviceMemory[]`.
Napi::Value memory_rows(Napi::Env env, const std::vector<DeviceMemory>& devices);

}  // namespace mobillm::llamacpp
