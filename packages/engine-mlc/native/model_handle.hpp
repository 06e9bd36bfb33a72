// The JavaScript face of a model.
#pragma once

#include "mobillm/model_handle_base.hpp"
#include "model.hpp"

namespace mobillm::mlc {

// new Model(options) makes it; `loadLibrary()`, then `loadWeights(options)` load it. Every method
// is for the JavaScript thread.
class ModelHandle : public ModelHandleBase<ModelHandle, Model> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit ModelHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value load_library(const Info& info);
  Napi::Value load_weights(const Info& info);
  Napi::Value abort_load(const Info& info);
  Napi::Value create_sequence(const Info& info);
  Napi::Value adjust(const Info& info);
  Napi::Value threads(const Info& info);
  Napi::Value close(const Info& info);
};

}  // namespace mobillm::mlc
