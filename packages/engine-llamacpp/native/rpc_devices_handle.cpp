#include "rpc_devices_handle.hpp"

#include "device_rows.hpp"
#include "mobillm/option_reader.hpp"
#include "rpc.hpp"

namespace mobillm::llamacpp {

void RpcDevicesHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("RpcDevices", DefineClass(env, "RpcDevices",
                                        {method<&RpcDevicesHandle::list>("list"),
                                         method<&RpcDevicesHandle::abort>("abort"),
                                         method<&RpcDevicesHandle::close>("close")}));
}

RpcDevicesHandle::RpcDevicesHandle(const Napi::CallbackInfo& info)
    : Handle(info), environment_(&JsEnvironment::of(info.Env())) {
  guarded(info.Env(), [&] {
    const OptionReader options(info[0], "");
    endpoint_ = options.string("endpoint");
    limit_ = std::chrono::milliseconds(options.integer<int>("limitMs", 1, 3'600'000));
    environment_->add(this);
  });
}

RpcDevicesHandle::~RpcDevicesHandle() {
  if (environment_ == nullptr) return;
  environment_->remove(this);
  stop_now();
}

void RpcDevicesHandle::stop_now() noexcept {
  environment_ = nullptr;
  abort_->set();
  worker_.stop();
}

Napi::Value RpcDevicesHandle::list(const Info& info) {
  require_open("The request");
  return environment(info).run(
      worker_, info.This().As<Napi::Object>(),
      [endpoint = endpoint_, limit = limit_, abort = abort_] {
        return list_rpc_devices(endpoint, limit, *abort);
      },
      [](Napi::Env env, const std::vector<DeviceInfo>& devices) {
        return device_rows(env, devices);
      });
}

Napi::Value RpcDevicesHandle::abort(const Info& info) {
  abort_->set();
  return info.Env().Undefined();
}

Napi::Value RpcDevicesHandle::close(const Info& info) {
  mark_closed();
  abort_->set();
  worker_.stop();
  return info.Env().Undefined();
}

}  // namespace mobillm::llamacpp
