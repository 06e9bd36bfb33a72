// The JavaScript face of a model.
#pragma once

#include "mobillm/model_handle_base.hpp"
#include "model.hpp"

namespace mobillm::qnn {

// new Model(library, options) makes it, `load()` loads it. Every method is for the JavaScript
// thread.
class ModelHandle : public ModelHandleBase<ModelHandle, Model> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit ModelHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value load(const Info& info);
  Napi::Value abort_load(const Info& info);
  Napi::Value create_sequence(const Info& info);
  Napi::Value close(const Info& info);

  bool load_asked_ = false;
};

}  // namespace mobillm::qnn
