#include "device_rows.hpp"

namespace mobillm::llamacpp {

Napi::Array device_rows(Napi::Env env, const std::vector<DeviceInfo>& devices) {
  Napi::Array rows = Napi::Array::New(env, devices.size());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const DeviceInfo& device = devices[i];
    Napi::Object row = Napi::Object::New(env);
    row.Set("id", device.id);
    row.Set("kind", device.kind);
    row.Set("name", device.name);
    row.Set("backend", device.backend);
    if (device.memory_total > 0) {
      row.Set("memoryTotalBytes", static_cast<double>(device.memory_total));
      if (device.memory_free) {
        row.Set("memoryFreeBytes", static_cast<double>(*device.memory_free));
      }
    }
    if (device.own_memory) row.Set("ownMemory", true);
    rows.Set(static_cast<std::uint32_t>(i), row);
  }
  return rows;
}

}  // namespace mobillm::llamacpp
