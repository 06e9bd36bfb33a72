// The JavaScript face of a memory estimate.
#pragma once

#include <optional>

#include "context_options.hpp"
#include "memory_estimate.hpp"
#include "mobillm/abort_flag.hpp"
#include "mobillm/handle.hpp"
#include "mobillm/serial_worker.hpp"
#include "tuning.hpp"

namespace mobillm::llamacpp {

// new Estimate(options); `run()` once; `abort()` ends it; `close()` joins its thread.
class EstimateHandle : public Handle<EstimateHandle>, public Stoppable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit EstimateHandle(const Napi::CallbackInfo& info);
  ~EstimateHandle() override;

  void stop_now() noexcept override;

 private:
  Napi::Value run(const Info& info);
  Napi::Value abort(const Info& info);
  Napi::Value close(const Info& info);

  JsEnvironment* environment_;  // null after `stop_now`
  AbortFlagPtr abort_ = std::make_shared<AbortFlag>();
  ModelFile file_;
  std::optional<ModelFile> draft_;
  ContextOptions options_;
  Offload offload_;
  TuningOptions tuning_;
  SerialWorker worker_;
};

}  // namespace mobillm::llamacpp
