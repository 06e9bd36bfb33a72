// The JavaScript face of a conversion of weights.
#pragma once

#include <memory>

#include "convert_weights.hpp"
#include "mobillm/handle.hpp"

namespace mobillm::mlc {

// new WeightConverter(plan): `run()` converts on a thread of its own, once. Every method is for the
// JavaScript thread.
class WeightConverterHandle : public Handle<WeightConverterHandle>, public Stoppable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit WeightConverterHandle(const Napi::CallbackInfo& info);
  ~WeightConverterHandle() override;

  void stop_now() noexcept override;

 private:
  Napi::Value run(const Info& info);
  Napi::Value share(const Info& info);
  Napi::Value abort(const Info& info);
  Napi::Value close(const Info& info);

  JsEnvironment* environment_;  // null after `stop_now`
  std::shared_ptr<const ConversionPlan> plan_;
  AbortFlagPtr abort_ = std::make_shared<AbortFlag>();
  std::shared_ptr<ConversionProgress> progress_ = std::make_shared<ConversionProgress>();
  SerialWorker worker_;
};

}  // namespace mobillm::mlc
