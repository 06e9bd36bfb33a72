// The JavaScript face of asking a server for its devices.
#pragma once

#include <chrono>
#include <string>

#include "mobillm/abort_flag.hpp"
#include "mobillm/handle.hpp"
#include "mobillm/serial_worker.hpp"

namespace mobillm::llamacpp {

// new RpcDevices({ endpoint, limitMs }); `list()` once; `abort()` ends it; `close()` joins its
// thread.
class RpcDevicesHandle : public Handle<RpcDevicesHandle>, public Stoppable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit RpcDevicesHandle(const Napi::CallbackInfo& info);
  ~RpcDevicesHandle() override;

  void stop_now() noexcept override;

 private:
  Napi::Value list(const Info& info);
  Napi::Value abort(const Info& info);
  Napi::Value close(const Info& info);

  JsEnvironment* environment_;  // null after `stop_now`
  AbortFlagPtr abort_ = std::make_shared<AbortFlag>();
  std::string endpoint_;
  std::chrono::milliseconds limit_{0};
  SerialWorker worker_;
};

}  // namespace mobillm::llamacpp
