#include "memory_rows.hpp"

#include <cstdint>

namespace mobillm::llamacpp {

Napi::Value memory_rows(Napi::Env env, const std::vector<DeviceMemory>& devices) {
  Napi::Array rows = Napi::Array::New(env, devices.size());
  std::uint32_t index = 0;
  for (const DeviceMemory& device : devices) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("device", device.device);
    row.Set("weightsBytes", static_cast<double>(device.weights));
    row.Set("kvCacheBytes", static_cast<double>(device.kv_cache));
    row.Set("computeBytes", static_cast<double>(device.compute));
    row.Set("outputBytes", static_cast<double>(device.output));
    rows.Set(index++, row);
  }
  return rows;
}

}  // namespace mobillm::llamacpp
